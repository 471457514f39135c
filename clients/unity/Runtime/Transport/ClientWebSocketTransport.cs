using System;
using System.Collections.Generic;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>.NET's own WebSocket, for every platform but WebGL. Frames wait in two bounded queues.</summary>
    public sealed class ClientWebSocketTransport : ITransport
    {
        private const int ConnectMs = 15000;
        private const int GoodbyeMs = 5000; // for what waits, too

        private readonly ClientWebSocket _socket = new ClientWebSocket();
        private readonly CancellationTokenSource _over = new CancellationTokenSource();
        private readonly SemaphoreSlim _sendable = new SemaphoreSlim(0);
        private readonly FrameQueue _inbound = new FrameQueue();
        private readonly FrameQueue _outbound = new FrameQueue();
        private readonly object _ending = new object();
        private TransportOptions _options;
        private byte[] _ping;
        private byte[] _pong;
        private volatile TransportState _state = TransportState.Connecting;
        private volatile bool _goodbye;
        private bool _isOver;

        /// <inheritdoc />
        public TransportState State { get { return _state; } }

        /// <inheritdoc />
        public TransportEnd End { get; private set; }

        /// <inheritdoc />
        public string Detail { get; private set; }

        /// <inheritdoc />
        public int WaitingBytes { get { return _state == TransportState.Closed ? 0 : _outbound.Bytes; } }

        /// <inheritdoc />
        public void Open(string url, TransportOptions options)
        {
            _options = options;
            _ping = options.Ping == null ? null : Encoding.UTF8.GetBytes(options.Ping);
            _pong = options.Pong == null ? null : Encoding.UTF8.GetBytes(options.Pong);
            Task.Run(() => Run(url));
        }

        /// <inheritdoc />
        public bool TryReceive(out Frame frame)
        {
            return _inbound.TryTake(out frame);
        }

        /// <inheritdoc />
        public void Send(Frame frame)
        {
            if (_state == TransportState.Closed || _goodbye) return;
            if (_outbound.TryAdd(frame, _options.OutboundBytes)) _sendable.Release();
            else Finish(TransportEnd.OutboundFull, "more than " + _options.OutboundBytes + " bytes wait to be sent");
        }

        /// <inheritdoc />
        public void Close()
        {
            if (_state == TransportState.Connecting) Finish(TransportEnd.Here, "closed while it connected");
            if (_state == TransportState.Closed || _goodbye) return;
            _goodbye = true;
            lock (_ending)
                if (!_isOver) _over.CancelAfter(GoodbyeMs); // from now: a network that takes nothing does not hold it up
            _sendable.Release();
        }

        /// <inheritdoc />
        public void Abort()
        {
            Finish(TransportEnd.Here, "broken off");
        }

        /// <inheritdoc />
        public void Dispose()
        {
            Abort();
        }

        private async Task Run(string url)
        {
            try
            {
                var address = new Uri(url);
                using (var connecting = CancellationTokenSource.CreateLinkedTokenSource(_over.Token))
                {
                    connecting.CancelAfter(ConnectMs);
                    await _socket.ConnectAsync(address, connecting.Token).ConfigureAwait(false);
                }
                lock (_ending)
                    if (_state == TransportState.Connecting) _state = TransportState.Open;
                var sending = SendAll();
                await ReceiveAll().ConfigureAwait(false);
                await sending.ConfigureAwait(false);
            }
            catch (Exception error) // whatever it is, there is nobody else who could be told
            {
                Finish(TransportEnd.Lost, Why(error));
            }
            lock (_ending)
            {
                _isOver = true;
                _over.Dispose();
            }
            _socket.Dispose();
        }

        private async Task ReceiveAll()
        {
            var buffer = new byte[16 * 1024];
            var length = 0;
            while (_state == TransportState.Open)
            {
                if (length == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                var free = new ArraySegment<byte>(buffer, length, buffer.Length - length);
                var got = await _socket.ReceiveAsync(free, _over.Token).ConfigureAwait(false);
                if (got.MessageType == WebSocketMessageType.Close)
                {
                    Finish(_goodbye ? TransportEnd.Here : TransportEnd.There, "closed with " + got.CloseStatus + " " + got.CloseStatusDescription);
                    return;
                }
                length += got.Count;
                if (length > TransportOptions.MessageBytes) Overflow("a message is larger than " + TransportOptions.MessageBytes + " bytes");
                if (!got.EndOfMessage || _state == TransportState.Closed) continue;
                Take(buffer, length, got.MessageType == WebSocketMessageType.Text);
                length = 0;
                if (buffer.Length > 1024 * 1024) buffer = new byte[16 * 1024];
            }
        }

        private void Take(byte[] buffer, int length, bool isText)
        {
            var bytes = new byte[length];
            Buffer.BlockCopy(buffer, 0, bytes, 0, length);
            if (isText && _ping != null && Same(bytes, _ping)) Send(new Frame(_pong, true));
            if (!_goodbye && !_inbound.TryAdd(new Frame(bytes, isText), _options.InboundBytes))
                Overflow("more than " + _options.InboundBytes + " bytes wait to be received");
        }

        private void Overflow(string detail)
        {
            Finish(TransportEnd.InboundFull, detail);
            _inbound.Clear(); // what comes after them is lost, so a client starts again from what it has handled
        }

        private async Task SendAll()
        {
            try
            {
                while (_state == TransportState.Open)
                {
                    await _sendable.WaitAsync(_over.Token).ConfigureAwait(false);
                    Frame frame;
                    if (_outbound.TryTake(out frame))
                    {
                        var kind = frame.IsText ? WebSocketMessageType.Text : WebSocketMessageType.Binary;
                        await _socket.SendAsync(new ArraySegment<byte>(frame.Bytes), kind, true, _over.Token).ConfigureAwait(false);
                    }
                    else if (_goodbye)
                    {
                        await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", _over.Token).ConfigureAwait(false);
                        return;
                    }
                }
            }
            catch (Exception error) // as above
            {
                Finish(TransportEnd.Lost, Why(error));
            }
        }

        private void Finish(TransportEnd end, string detail)
        {
            lock (_ending)
            {
                if (_state == TransportState.Closed) return;
                End = _goodbye ? TransportEnd.Here : end;
                Detail = detail;
                _state = TransportState.Closed;
                if (!_isOver) _over.CancelAfter(0); // ends whoever connects, sends or receives; not Cancel, which would run them here
            }
            _outbound.Clear();
        }

        private static bool Same(byte[] one, byte[] other)
        {
            if (one.Length != other.Length) return false;
            for (var i = 0; i < one.Length; i++)
                if (one[i] != other[i]) return false;
            return true;
        }

        /// <summary>
        /// The innermost message: the outer ones say only that it went wrong. That a type of System.Net.Sockets is named here is
        /// what Unity goes by when it decides whether a game for Android may use the network.
        /// </summary>
        private static string Why(Exception error)
        {
            while (error.InnerException != null) error = error.InnerException;
            var socket = error as SocketException;
            return socket == null ? error.Message : socket.SocketErrorCode + ": " + socket.Message;
        }

        /// <summary>Frames between two threads.</summary>
        private sealed class FrameQueue
        {
            private readonly Queue<Frame> _frames = new Queue<Frame>();
            private volatile int _bytes;

            public int Bytes { get { return _bytes; } }

            public bool TryAdd(Frame frame, int bytesMost)
            {
                lock (_frames)
                {
                    var size = frame.Bytes.Length + TransportOptions.FrameBytes;
                    if (_bytes + size > bytesMost && _frames.Count > 0) return false;
                    _frames.Enqueue(frame);
                    _bytes += size;
                    return true;
                }
            }

            public bool TryTake(out Frame frame)
            {
                frame = default(Frame);
                if (_bytes == 0) return false;
                lock (_frames)
                {
                    if (_frames.Count == 0) return false;
                    frame = _frames.Dequeue();
                    _bytes -= frame.Bytes.Length + TransportOptions.FrameBytes;
                    return true;
                }
            }

            public void Clear()
            {
                lock (_frames)
                {
                    _frames.Clear();
                    _bytes = 0;
                }
            }
        }
    }
}
