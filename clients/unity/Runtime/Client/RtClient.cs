using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>How far a client is with its one connection.</summary>
    public enum ConnectionState
    {
        /// <summary>Not asked to connect, or there is no namespace to connect to.</summary>
        Closed,

        /// <summary>The WebSocket is being made.</summary>
        Connecting,

        /// <summary>There is a connection; each namespace says for itself whether it is connected.</summary>
        Open,

        /// <summary>It broke; there is a pause before the next try.</summary>
        Waiting,

        /// <summary>The application is in the background; it connects again when that is over.</summary>
        Suspended
    }

    /// <summary>
    /// A client of rt-service: one connection for all namespaces, which comes back by itself. Everything happens on the main
    /// thread, in the frame's share of time; call it from there only.
    /// </summary>
    /// <example><code>
    /// var client = new RtClient("http://127.0.0.1:5000", new RtOptions { User = "alice" });
    /// var room = client.Namespace("/chat").Join("lobby");
    /// room.On("say", said => Debug.Log(said.From.Id + ": " + said.Data["text"].AsString()));
    /// client.Connect();
    /// room.Publish("say", new JsonObject { { "text", "hi" } }); // kept until it is answered
    /// </code></example>
    public sealed partial class RtClient : IPumped, IDisposable
    {
        private const int SteadyMs = 5000; // a connection that lasted so long was a good one

        private readonly int _thread = Environment.CurrentManagedThreadId;
        private readonly Dictionary<string, RtNamespace> _namespaces = new Dictionary<string, RtNamespace>();
        private readonly Backoff _backoff;
        private readonly HandlerList<ConnectionState> _stateChanged;
        private readonly HandlerList<RtException> _failed;
        private Connection _connection;
        private ConnectionState _state;
        private bool _wanted;
        private bool _suspended;
        private bool _disposed;
        private long _openedMs;

        /// <summary>
        /// Makes a client; <see cref="Connect"/> connects it. <paramref name="url"/> is the service's address, with a path only
        /// where Socket.IO is at another one than <c>/socket.io/</c>.
        /// </summary>
        /// <exception cref="ArgumentException">It is no address of http, https, ws or wss.</exception>
        /// <exception cref="InvalidOperationException">This is not the main thread.</exception>
        public RtClient(string url, RtOptions options = null)
        {
            Url = SocketUrl(url);
            Options = options ?? new RtOptions();
            Schedule = new Schedule();
            Counters = new RtCounters();
            _backoff = new Backoff(Schedule);
            _stateChanged = new HandlerList<ConnectionState>(HandlerThrew);
            _failed = new HandlerList<RtException>(HandlerThrew);
            _lastPumpMs = Schedule.NowMs;
            MainThreadDispatcher.Add(this);
        }

        /// <summary>How far it is.</summary>
        public event Action<ConnectionState> StateChanged { add { _stateChanged.Add(value); } remove { _stateChanged.Remove(value); } }

        /// <summary>What was refused, and nobody else was told. Without anybody here it is logged as a warning.</summary>
        public event Action<RtException> Failed { add { _failed.Add(value); } remove { _failed.Remove(value); } }

        /// <summary>The address of its WebSocket.</summary>
        public string Url { get; private set; }

        /// <summary>What happened to it so far.</summary>
        public RtCounters Counters { get; private set; }

        /// <summary>How far it is.</summary>
        public ConnectionState State { get { return _state; } }

        /// <summary>Why the last connection ended, for the log; null if none did.</summary>
        public string LastEnd { get; private set; }

        internal RtOptions Options { get; private set; }

        internal Schedule Schedule { get; private set; }

        /// <summary>What the service asks to wait before coming back.</summary>
        internal long? RetryAfterMs { get; set; }

        /// <summary>Whether so much waits to be sent that what is volatile is better dropped.</summary>
        internal bool IsCongested
        {
            get { return _connection != null && _connection.WaitingBytes > Options.OutboundBytes / 2; }
        }

        /// <summary>A namespace of the service, such as <c>/chat</c>; always the same object.</summary>
        /// <exception cref="ArgumentException">It does not begin with a slash, or is no name.</exception>
        public RtNamespace Namespace(string name)
        {
            CheckThread();
            CheckName(name);
            RtNamespace found;
            if (_namespaces.TryGetValue(name, out found)) return found;
            _namespaces[name] = found = new RtNamespace(this, name);
            if (_wanted && _connection != null && _connection.IsOpen) found.Connect();
            else if (_wanted) OpenIfWanted();
            return found;
        }

        /// <summary>
        /// Connect, and stay connected until <see cref="Close"/>. Returns at once. What was refused is tried again. There is
        /// something to connect to when a namespace was asked for, before or after.
        /// </summary>
        /// <exception cref="ObjectDisposedException">It was disposed.</exception>
        public void Connect()
        {
            CheckThread();
            if (_disposed) throw new ObjectDisposedException("RtClient");
            _wanted = true;
            foreach (var one in AllNamespaces())
            {
                if (one.Refusal == null) continue;
                one.Retry();
                if (_connection != null && _connection.IsOpen) one.Connect();
            }
            OpenIfWanted();
        }

        /// <summary>
        /// As <see cref="Connect"/>; the task is done when all namespaces asked for so far are connected, and throws
        /// <see cref="RtException"/> when one is refused.
        /// </summary>
        public Task ConnectAsync()
        {
            Connect();
            var all = new List<Task>();
            foreach (var one in AllNamespaces()) all.Add(one.WhenConnected());
            if (all.Count == 0) throw new InvalidOperationException("ask for a namespace first: client.Namespace(\"/chat\")");
            return Task.WhenAll(all);
        }

        /// <summary>Say goodbye and stay away until <see cref="Connect"/>.</summary>
        public void Close()
        {
            CheckThread();
            _wanted = false;
            _backoff.Reset();
            _deliveries.Clear();
            var connection = _connection;
            _connection = null;
            if (connection != null)
            {
                foreach (var one in AllNamespaces())
                    if (one.IsConnected) connection.Send(PacketType.Disconnect, one.Name, Packet.NoId, JsonValue.Null);
                connection.Close();
            }
            foreach (var one in AllNamespaces()) one.OnClosed();
            Become(ConnectionState.Closed);
        }

        /// <summary>Close it, for good.</summary>
        public void Dispose()
        {
            _disposed = true;
            Close();
            MainThreadDispatcher.Remove(this);
        }

        /// <summary>
        /// The application goes to the background: end the connection without a goodbye. The dispatcher calls it.
        /// </summary>
        public void Suspend()
        {
            if (_suspended) return;
            _suspended = true;
            _backoff.Reset();
            if (_connection != null) _connection.Break("suspended", "the application went to the background");
            OnEnded();
        }

        /// <summary>It is back: connect at once, and catch up. The dispatcher calls it.</summary>
        public void Resume()
        {
            if (!_suspended) return;
            _suspended = false;
            Become(ConnectionState.Closed);
            OpenIfWanted();
        }

        // -- for namespaces and rooms

        /// <exception cref="RtException"><c>invalid_data</c> or <c>too_large</c>: it cannot be sent.</exception>
        internal void Send(PacketType type, string name, long id, JsonValue data)
        {
            try
            {
                if (_connection != null) _connection.Send(type, name, id, data);
            }
            catch (JsonException error)
            {
                throw new RtException("invalid_data", error.Message);
            }
        }

        /// <summary>Give the connection up; another one recovers.</summary>
        internal void Lose(string why, string detail)
        {
            if (_connection != null) _connection.Break(why, detail);
        }

        /// <summary>A namespace is not wanted any more; the last one takes the connection with it.</summary>
        internal void OnRefused()
        {
            foreach (var one in _namespaces.Values)
                if (one.Refusal == null) return;
            if (_connection != null) _connection.Close();
        }

        internal void Fail(RtException error)
        {
            if (_failed.Count > 0) _failed.Tell(error);
            else UnityEngine.Debug.LogWarning("rt-service: " + error);
        }

        internal void HandlerThrew(Exception error)
        {
            Counters.HandlerExceptions++;
            UnityEngine.Debug.LogException(error);
        }

        /// <summary>A callback of the application that may be missing, and may throw.</summary>
        internal Action<RtException, T> Guarded<T>(Action<RtException, T> done, Action<RtException> otherwise)
        {
            return (error, value) =>
            {
                try
                {
                    if (done != null) done(error, value);
                    else if (error != null) otherwise(error);
                }
                catch (Exception thrown) // the application's
                {
                    HandlerThrew(thrown);
                }
            };
        }

        /// <exception cref="InvalidOperationException">This is another thread than the client's.</exception>
        internal void CheckThread()
        {
            if (Environment.CurrentManagedThreadId == _thread) return;
            throw new InvalidOperationException(MainThreadDispatcher.WrongThread);
        }

        // -- the connection

        private void OpenIfWanted()
        {
            if (!_wanted || _suspended || _connection != null || _backoff.IsWaiting || !HasWanted()) return;
            if (!MainThreadDispatcher.Drives) return;
            Schedule.Wake();
            _openedMs = Schedule.NowMs;
            RetryAfterMs = null;
            _connection = new Connection(Options.Transport(), Url, Options.InboundBytes, Options.OutboundBytes);
            Become(ConnectionState.Connecting);
        }

        private bool HasWanted()
        {
            foreach (var one in _namespaces.Values)
                if (one.Refusal == null) return true;
            return false;
        }

        private void OnOpen()
        {
            Counters.Connections++;
            var all = AllNamespaces(); // one that a handler asks for meanwhile connects itself
            Become(ConnectionState.Open);
            foreach (var one in all)
                if (one.Refusal == null && _connection != null) one.Connect();
        }

        private void OnEnded()
        {
            var ended = _connection;
            _connection = null;
            _deliveries.Clear(); // they come again: a position moves when its publication is told
            if (ended != null)
            {
                Counters.Count(ended.Ended);
                LastEnd = ended.Ended + (ended.Detail == null ? "" : ": " + ended.Detail);
                foreach (var one in AllNamespaces()) one.OnLost(ended.Ended);
            }
            if (Schedule.NowMs - _openedMs > SteadyMs) _backoff.Succeeded();
            if (_wanted && !_suspended && _connection == null && HasWanted())
            {
                _backoff.Again(OpenIfWanted, RetryAfterMs);
                Become(ConnectionState.Waiting);
            }
            else if (_connection == null) Become(_suspended ? ConnectionState.Suspended : ConnectionState.Closed);
        }

        private void Become(ConnectionState state)
        {
            if (_state == state) return;
            _state = state;
            _stateChanged.Tell(state);
        }

        private RtNamespace[] AllNamespaces()
        {
            var all = new RtNamespace[_namespaces.Count];
            _namespaces.Values.CopyTo(all, 0);
            return all;
        }

        private static void CheckName(string name)
        {
            var good = name != null && name.StartsWith("/", StringComparison.Ordinal) && name.IndexOfAny(new[] { ',', '?' }) < 0;
            for (var i = 0; good && i < name.Length; i++) good = name[i] > ' ' && name[i] < 127;
            if (!good) throw new ArgumentException("a namespace is a name behind a slash, such as /chat; not " + name, "name");
        }

        private static string SocketUrl(string url)
        {
            Uri address;
            if (!Uri.TryCreate(url, UriKind.Absolute, out address) || !IsKnown(address.Scheme))
                throw new ArgumentException("this is no address such as http://127.0.0.1:5000: " + url, "url");
            var scheme = address.Scheme == "https" || address.Scheme == "wss" ? "wss" : "ws";
            var path = address.AbsolutePath == "/" ? "/socket.io/" : address.AbsolutePath;
            return scheme + "://" + address.Authority + path + "?EIO=4&transport=websocket";
        }

        private static bool IsKnown(string scheme)
        {
            return scheme == "http" || scheme == "https" || scheme == "ws" || scheme == "wss";
        }
    }
}
