using System;

namespace RtService
{
    /// <summary>A text that is not JSON, or a value that JSON has no form for.</summary>
    public sealed class JsonException : Exception
    {
        /// <summary>With a message that says what is wrong and where.</summary>
        public JsonException(string message) : base(message)
        {
        }
    }
}
