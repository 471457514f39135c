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

        public TransportState State { get { return (TransportState)RtWebSocketState(_id); } }

        public TransportEnd End { get { return (TransportEnd)RtWebSocketEnd(_id); } }

        public string Detail { get { return End == TransportEnd.None ? null : "closed with " + RtWebSocketCloseCode(_id); } }

        public int WaitingBytes { get { return RtWebSocketWaiting(_id); } }

        public void Open(string url, TransportOptions options)
        {
            _id = RtWebSocketOpen(url, options.InboundBytes, options.OutboundBytes, options.Ping ?? "", options.Pong ?? "");
        }

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

        public void Send(Frame frame)
        {
            RtWebSocketSend(_id, frame.Bytes, frame.Bytes.Length, frame.IsText ? 1 : 0);
        }

        public void Close()
        {
            RtWebSocketClose(_id);
        }

        public void Abort()
        {
            RtWebSocketAbort(_id);
        }

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
        private static extern void RtWebSocketTake(int id, byte[] bytes);

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
