using System;

namespace RtService
{
    /// <summary>A text that is not JSON, or a value that JSON has no form for.</summary>
    public sealed class JsonException : Exception
    {
        public JsonException(string message) : base(message)
        {
        }
    }
}
