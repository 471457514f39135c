using System;
using System.Diagnostics;
using System.Text;

namespace RtService
{
    /// <summary>
    /// A plain WebSocket on the main thread, on all platforms: text and binary as they are, no rooms, and nothing that comes
    /// back by itself. For <c>/echo</c>, <c>/ws</c>, or any other server.
    /// </summary>
    /// <example><code>
    /// var socket = new WebSocketClient("ws://127.0.0.1:5000/echo");
    /// socket.TextReceived += text => Debug.Log(text);
    /// socket.Connect();
    /// socket.Send("hello"); // waits until it is open
    /// </code></example>
    public sealed class WebSocketClient : IPumped, IDisposable
    {
        private readonly string _url;
        private readonly TransportOptions _options;
        private readonly HandlerList<WebSocketClient> _opened;
        private readonly HandlerList<string> _textReceived;
        private readonly HandlerList<byte[]> _binaryReceived;
        private readonly HandlerList<string> _closed;
        private ITransport _transport;
        private bool _suspended;
        private bool _comesBack; // when that is over
        private bool _disposed;

        /// <summary>Makes one; <see cref="Connect"/> connects it.</summary>
        public WebSocketClient(string url, TransportOptions options = null)
        {
            _url = url;
            _options = options ?? new TransportOptions();
            _opened = new HandlerList<WebSocketClient>(UnityEngine.Debug.LogException);
            _textReceived = new HandlerList<string>(UnityEngine.Debug.LogException);
            _binaryReceived = new HandlerList<byte[]>(UnityEngine.Debug.LogException);
            _closed = new HandlerList<string>(UnityEngine.Debug.LogException);
            MainThreadDispatcher.Add(this);
        }

        /// <summary>It is open.</summary>
        public event Action<WebSocketClient> Opened { add { _opened.Add(value); } remove { _opened.Remove(value); } }

        /// <summary>A text came.</summary>
        public event Action<string> TextReceived { add { _textReceived.Add(value); } remove { _textReceived.Remove(value); } }

        /// <summary>A binary message came.</summary>
        public event Action<byte[]> BinaryReceived { add { _binaryReceived.Add(value); } remove { _binaryReceived.Remove(value); } }

        /// <summary>It is closed, or never opened, and why.</summary>
        public event Action<string> Closed { add { _closed.Add(value); } remove { _closed.Remove(value); } }

        /// <summary>Whether it is open now.</summary>
        public bool IsOpen { get; private set; }

        /// <summary>Begin to connect; if it is connected nothing happens. In the background it waits until that is over.</summary>
        /// <exception cref="ObjectDisposedException">It was disposed.</exception>
        public void Connect()
        {
            if (_disposed) throw new ObjectDisposedException("WebSocketClient");
            _comesBack = _suspended;
            if (_suspended || _transport != null || !MainThreadDispatcher.Drives) return;
            _transport = Transports.Create();
            _transport.Open(_url, _options);
        }

        /// <summary>Send text; before it is open, as soon as it is.</summary>
        /// <exception cref="InvalidOperationException">It is not connected, nor about to be.</exception>
        public void Send(string text)
        {
            Send(new Frame(Encoding.UTF8.GetBytes(text), true));
        }

        /// <summary>Send binary; it must not be changed afterwards.</summary>
        /// <exception cref="InvalidOperationException">It is not connected, nor about to be.</exception>
        public void Send(byte[] bytes)
        {
            Send(new Frame(bytes, false));
        }

        /// <summary>Send what waits, and close.</summary>
        public void Close()
        {
            _comesBack = false;
            if (_transport == null) return;
            _transport.Close();
            OnEnded("closed here");
        }

        /// <summary>Close it, for good.</summary>
        public void Dispose()
        {
            _disposed = true;
            Close();
            MainThreadDispatcher.Remove(this);
        }

        /// <summary>The dispatcher calls it.</summary>
        public void Pump(double budgetMs)
        {
            var until = Stopwatch.GetTimestamp() + (long)(budgetMs * Stopwatch.Frequency / 1000);
            var transport = _transport; // a handler may close it, and connect again
            if (transport == null) return;
            var closed = transport.State == TransportState.Closed; // before: what comes in between comes before it
            if (transport.State == TransportState.Open) OnOpen();
            Frame frame;
            while (_transport == transport && transport.TryReceive(out frame))
            {
                OnOpen(); // where it was for less than a frame
                if (frame.IsText) _textReceived.Tell(Encoding.UTF8.GetString(frame.Bytes));
                else _binaryReceived.Tell(frame.Bytes);
                if (Stopwatch.GetTimestamp() >= until) return;
            }
            if (_transport != transport || !closed) return;
            transport.Dispose();
            OnEnded(transport.Detail);
        }

        /// <summary>The dispatcher calls it.</summary>
        public void Suspend()
        {
            if (_suspended) return;
            _suspended = true;
            _comesBack = _transport != null;
            if (_transport == null) return;
            _transport.Dispose();
            OnEnded("the application went to the background");
        }

        /// <summary>The dispatcher calls it.</summary>
        public void Resume()
        {
            _suspended = false;
            if (_comesBack) Connect();
        }

        private void Send(Frame frame)
        {
            if (_transport == null) throw new InvalidOperationException("connect first");
            _transport.Send(frame);
        }

        private void OnOpen()
        {
            if (IsOpen) return;
            IsOpen = true;
            _opened.Tell(this);
        }

        private void OnEnded(string why)
        {
            _transport = null;
            IsOpen = false;
            _closed.Tell(why);
        }
    }
}
