using System;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>Who a client is, and its bounds.</summary>
    public sealed class RtOptions
    {
        /// <summary>
        /// Who it is, where the service asks for no token. Set it: the service knows a publication that is sent again by who
        /// sends it.
        /// </summary>
        public string User;

        /// <summary>The token, where the service asks for one.</summary>
        public string Token;

        /// <summary>Anything to be shown in presence, up to 1 KiB.</summary>
        public JsonValue Info;

        /// <summary>
        /// In place of the above: asked for what to connect a namespace with, at each connect, so that a token is fresh. What
        /// it throws is tried again, but for an <see cref="RtException"/> that is not temporary.
        /// </summary>
        /// <example><code>Auth = async name => new JsonObject { { "token", await login.FreshToken() } }</code></example>
        public Func<string, Task<JsonObject>> Auth;

        /// <summary>How many bytes may wait to be handled; past it the connection is closed, and recovered.</summary>
        public int InboundBytes = 16 * 1024 * 1024;

        /// <summary>How many bytes may wait to be sent; past it the connection is closed, and recovered.</summary>
        public int OutboundBytes = 1024 * 1024;

        /// <summary>What makes a WebSocket; by default what the platform has.</summary>
        public Func<ITransport> Transport = Transports.Create;

        internal JsonObject Credentials()
        {
            var credentials = new JsonObject();
            if (User != null) credentials["user"] = User;
            if (Token != null) credentials["token"] = Token;
            if (!Info.IsNull) credentials["info"] = Info;
            return credentials;
        }
    }

    /// <summary>What happened to a client since it was made.</summary>
    public sealed class RtCounters
    {
        /// <summary>How often it was connected.</summary>
        public int Connections { get; internal set; }

        /// <summary>Connections that broke.</summary>
        public int Lost { get; internal set; }

        /// <summary>Connections that the service closed.</summary>
        public int Closed { get; internal set; }

        /// <summary>Connections that were given up since nothing came any more.</summary>
        public int Silent { get; internal set; }

        /// <summary>Connections that were given up since the service sent what is no packet.</summary>
        public int Violations { get; internal set; }

        /// <summary>Connections that were given up since more came than was handled.</summary>
        public int InboundFull { get; internal set; }

        /// <summary>Connections that were given up since more was published than the network took.</summary>
        public int OutboundFull { get; internal set; }

        /// <summary>Exceptions that handlers of the application threw.</summary>
        public int HandlerExceptions { get; internal set; }

        internal void Count(string ended)
        {
            switch (ended)
            {
                case "lost": Lost++; break;
                case "closed": Closed++; break;
                case "silent": Silent++; break;
                case "violation": Violations++; break;
                case "inbound_full": InboundFull++; break;
                case "outbound_full": OutboundFull++; break;
            }
        }
    }
}
