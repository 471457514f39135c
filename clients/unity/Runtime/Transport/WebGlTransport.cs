#if UNITY_WEBGL && !UNITY_EDITOR
using System.Runtime.InteropServices;

namespace RtService
{
    /// <summary>
    /// The browser's WebSocket, through Plugins/WebGL/RtWebSocket.jslib. The script keeps what came until it is asked, so
    /// nothing ever calls from JavaScript into the game.
    /// </summary>
    public sealed class WebGlTransport : ITransport
    {
        private int _id;

        /// <inheritdoc />
        public TransportState State { get { return (TransportState)RtWebSocketState(_id); } }

        /// <inheritdoc />
        public TransportEnd End { get { return (TransportEnd)RtWebSocketEnd(_id); } }

        /// <inheritdoc />
        public string Detail { get { return End == TransportEnd.None ? null : "closed with " + RtWebSocketCloseCode(_id); } }

        /// <inheritdoc />
        public int WaitingBytes { get { return RtWebSocketWaiting(_id); } }

        /// <inheritdoc />
        public void Open(string url, TransportOptions options)
        {
            _id = RtWebSocketOpen(url, options.InboundBytes, options.OutboundBytes, options.Ping ?? "", options.Pong ?? "");
        }

        /// <inheritdoc />
        public bool TryReceive(out Frame frame)
        {
            frame = default(Frame);
            var length = RtWebSocketNextLength(_id);
            if (length < 0) return false;
            var bytes = new byte[length];
            frame = new Frame(bytes, RtWebSocketNextIsText(_id) != 0);
            RtWebSocketTake(_id, bytes);
            return true;
        }

        /// <inheritdoc />
        public void Send(Frame frame)
        {
            RtWebSocketSend(_id, frame.Bytes, frame.Bytes.Length, frame.IsText ? 1 : 0);
        }

        /// <inheritdoc />
        public void Close()
        {
            RtWebSocketClose(_id);
        }

        /// <inheritdoc />
        public void Abort()
        {
            RtWebSocketAbort(_id);
        }

        /// <inheritdoc />
        public void Dispose()
        {
            RtWebSocketFree(_id);
        }

        [DllImport("__Internal")]
        private static extern int RtWebSocketOpen(string url, int inboundBytes, int outboundBytes, string ping, string pong);

        [DllImport("__Internal")]
        private static extern int RtWebSocketState(int id);

        [DllImport("__Internal")]
        private static extern int RtWebSocketEnd(int id);

        [DllImport("__Internal")]
        private static extern int RtWebSocketCloseCode(int id);

        [DllImport("__Internal")]
        private static extern int RtWebSocketWaiting(int id);

        [DllImport("__Internal")]
        private static extern int RtWebSocketNextLength(int id);

        [DllImport("__Internal")]
        private static extern int RtWebSocketNextIsText(int id);

        [DllImport("__Internal")]
        private static extern void RtWebSocketTake(int id, [Out] byte[] bytes);

        [DllImport("__Internal")]
        private static extern void RtWebSocketSend(int id, byte[] bytes, int length, int isText);

        [DllImport("__Internal")]
        private static extern void RtWebSocketClose(int id);

        [DllImport("__Internal")]
        private static extern void RtWebSocketAbort(int id);

        [DllImport("__Internal")]
        private static extern void RtWebSocketFree(int id);
    }
}
#endif
