using System;

namespace RtService
{
    /// <summary>
    /// What the service refused, or what became of a request on this side. <see cref="Code"/> is one of docs/protocol.md:
    /// <c>not_member</c>, <c>too_large</c>, <c>timeout</c>, <c>unavailable</c>, …
    /// </summary>
    public sealed class RtException : Exception
    {
        /// <summary>Thrown by a method that others call, it is what they are told.</summary>
        public RtException(string code, string message, long? retryAfterMs = null) : base(message)
        {
            Code = code;
            RetryAfterMs = retryAfterMs;
        }

        /// <summary>What kind of refusal it is, for the program.</summary>
        public string Code { get; private set; }

        /// <summary>When to try again, where the service says so.</summary>
        public long? RetryAfterMs { get; private set; }

        /// <summary>
        /// Whether trying again may help. More than a limit allows is temporary only where the service says for how long.
        /// </summary>
        public bool IsTemporary
        {
            get { return RetryAfterMs.HasValue || Code == "unavailable" || Code == "timeout"; }
        }

        /// <summary>As <c>code: message</c>.</summary>
        public override string ToString()
        {
            return Code + ": " + Message;
        }

        /// <summary>From the error object of the protocol.</summary>
        internal static RtException From(JsonValue error)
        {
            var wait = error["retry_after_ms"];
            var message = error["message"].AsString("no reason was given");
            return new RtException(error["code"].AsString("internal"), message, wait.IsNumber ? wait.AsLong() : (long?)null);
        }
    }
}
