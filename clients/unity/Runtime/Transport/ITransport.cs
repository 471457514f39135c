using System;

namespace RtService
{
    /// <summary>One WebSocket message. Its bytes are not changed once it was handed over.</summary>
    public struct Frame
    {
        /// <summary>UTF-8 where <see cref="IsText"/>.</summary>
        public byte[] Bytes;

        /// <summary>Whether it is text, else binary.</summary>
        public bool IsText;

        /// <summary>A message to be sent, or that came.</summary>
        public Frame(byte[] bytes, bool isText)
        {
            Bytes = bytes;
            IsText = isText;
        }
    }

    /// <summary>How far a transport is.</summary>
    public enum TransportState
    {
        /// <summary>It is being made.</summary>
        Connecting,

        /// <summary>Both ways are open.</summary>
        Open,

        /// <summary>It is over, and says why.</summary>
        Closed
    }

    /// <summary>Why a transport is closed.</summary>
    public enum TransportEnd
    {
        /// <summary>It is not closed.</summary>
        None,

        /// <summary>This side closed it.</summary>
        Here,

        /// <summary>The other side closed it.</summary>
        There,

        /// <summary>It never came about, or broke.</summary>
        Lost,

        /// <summary>More came than was taken, past <see cref="TransportOptions.InboundBytes"/>.</summary>
        InboundFull,

        /// <summary>More was to be sent than the network took, past <see cref="TransportOptions.OutboundBytes"/>.</summary>
        OutboundFull
    }

    /// <summary>What a transport is opened with.</summary>
    public sealed class TransportOptions
    {
        /// <summary>What a frame counts beside its bytes, so that many small ones are bounded too.</summary>
        public const int FrameBytes = 64;

        /// <summary>How large one message may be; it may be alone larger than what may wait.</summary>
        public const int MessageBytes = 64 * 1024 * 1024;

        /// <summary>How many bytes may wait to be received.</summary>
        public int InboundBytes = 16 * 1024 * 1024;

        /// <summary>How many bytes may wait to be sent.</summary>
        public int OutboundBytes = 1024 * 1024;

        /// <summary>A text that is answered with <see cref="Pong"/> at once, also while the game loads; none if null.</summary>
        public string Ping;

        /// <summary>The answer to <see cref="Ping"/>.</summary>
        public string Pong;
    }

    /// <summary>
    /// A WebSocket that is asked and never calls back, so that the same code drives it on all platforms. Its members are
    /// called by one thread; what it does elsewhere is its own affair.
    /// </summary>
    public interface ITransport : IDisposable
    {
        /// <summary>How far it is. While <see cref="TryReceive"/> gives frames it may be closed already.</summary>
        TransportState State { get; }

        /// <summary>Why it is closed.</summary>
        TransportEnd End { get; }

        /// <summary>More about <see cref="End"/>, for the log.</summary>
        string Detail { get; }

        /// <summary>How many bytes wait to be sent.</summary>
        int WaitingBytes { get; }

        /// <summary>Begin to connect to a <c>ws:</c> or <c>wss:</c> address. Once.</summary>
        void Open(string url, TransportOptions options);

        /// <summary>The next message, if there is one now.</summary>
        bool TryReceive(out Frame frame);

        /// <summary>Send, soon and in order. Past the bound the transport is closed; after that nothing happens.</summary>
        void Send(Frame frame);

        /// <summary>Send what waits, say goodbye, and close; does not wait for it.</summary>
        void Close();

        /// <summary>Break the connection without a goodbye, so that the service expects this client back.</summary>
        void Abort();
    }
}
