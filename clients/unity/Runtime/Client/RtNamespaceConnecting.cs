using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>Connecting a namespace, being refused, and losing it.</summary>
    public sealed partial class RtNamespace
    {
        private readonly Backoff _backoff;
        private readonly HandlerList<RtNamespace> _connected;
        private readonly HandlerList<string> _disconnected;
        private readonly HandlerList<RtClosing> _closing;
        private readonly List<Action<RtException, bool>> _waiting = new List<Action<RtException, bool>>(); // to be connected
        private RtException _refusal;
        private RtException _lastWords; // it said `closing`, and not to come back
        private Schedule.Timer _answer; // to CONNECT, or of the auth callback
        private bool _tokenExpired;
        private int _connection; // what belongs to an earlier one comes too late

        /// <summary>Connected, and again after every reconnect.</summary>
        public event Action<RtNamespace> Connected { add { _connected.Add(value); } remove { _connected.Remove(value); } }

        /// <summary>Not connected any more, and why in a word.</summary>
        public event Action<string> Disconnected { add { _disconnected.Add(value); } remove { _disconnected.Remove(value); } }

        /// <summary>The service says that it is about to end this session.</summary>
        public event Action<RtClosing> Closing { add { _closing.Add(value); } remove { _closing.Remove(value); } }

        /// <summary>Whether it is connected now.</summary>
        public bool IsConnected { get; private set; }

        /// <summary>Why the service does not let this client in; null if it does, or was not asked yet.</summary>
        public RtException Refusal { get { return _refusal; } }

        /// <summary>A task for being connected: at once if it is. Throws <see cref="RtException"/> if refused for good.</summary>
        public Task WhenConnected()
        {
            return Promise.Of<bool>(done =>
            {
                if (IsConnected || _refusal != null) done(_refusal, true);
                else _waiting.Add(done);
            });
        }

        /// <summary>There is a connection: ask to be let in.</summary>
        internal void Connect()
        {
            var connection = ++_connection;
            _backoff.Stop();
            if (_client.Options.Auth == null)
            {
                SendConnect(_client.Options.Credentials());
                return;
            }
            Task<JsonObject> asked;
            try
            {
                asked = _client.Options.Auth(Name) ?? Task.FromResult<JsonObject>(null);
            }
            catch (Exception error) // the application's
            {
                OnAuthFailed(error);
                return;
            }
            WaitFor("the auth callback");
            _client.Watch(asked, () =>
            {
                if (connection != _connection) return;
                if (asked.Status == TaskStatus.RanToCompletion) SendConnect(asked.Result);
                else OnAuthFailed(Promise.Error(asked));
            });
        }

        internal void Retry()
        {
            _refusal = null;
        }

        internal void OnPacket(Packet packet)
        {
            if (packet.Type == PacketType.Connect) OnConnected();
            else if (packet.Type == PacketType.ConnectError) OnConnectError(packet.Data);
            else if (!IsConnected) return;
            else if (packet.Type == PacketType.Event) OnEvent(packet);
            else if (packet.Type == PacketType.Ack) _acks.OnAck(packet.Id, packet.Data[0]);
            else if (packet.Type == PacketType.Disconnect) OnDisconnect();
        }

        /// <summary>The connection is gone, or only this namespace of it.</summary>
        internal void OnLost(string why)
        {
            var wasConnected = IsConnected;
            IsConnected = false;
            _connection++;
            _backoff.Stop();
            StopWaiting();
            foreach (var room in AllRooms()) room.OnDisconnected();
            _acks.FailAll(new RtException("unavailable", "the connection is gone; it may have arrived"));
            if (wasConnected) _disconnected.Tell(why);
            var lastWords = _lastWords;
            _lastWords = null;
            if (lastWords != null) Refuse(lastWords);
        }

        /// <summary>The application closed the client: nobody waits for it any more.</summary>
        internal void OnClosed()
        {
            var closed = new RtException("unavailable", "the client was closed");
            OnLost("closed");
            SettleWaiting(closed);
            foreach (var room in AllRooms()) room.SettleWaiting(closed);
        }

        private void SendConnect(JsonObject credentials)
        {
            try
            {
                _client.Send(PacketType.Connect, Name, Packet.NoId, credentials ?? new JsonObject());
                WaitFor("the service");
            }
            catch (RtException error)
            {
                Refuse(error);
            }
        }

        private void WaitFor(string whom)
        {
            StopWaiting();
            _answer = _client.Schedule.After(AnswerMs, () => _client.Lose("silent", whom + " did not answer in time"));
        }

        private void StopWaiting()
        {
            if (_answer != null) _answer.Cancel();
            _answer = null;
        }

        private void OnAuthFailed(Exception error)
        {
            var told = error as RtException;
            StopWaiting();
            if (told != null && !told.IsTemporary)
            {
                Refuse(told);
                return;
            }
            if (told == null) _client.HandlerThrew(error);
            _backoff.Again(Connect, told == null ? null : told.RetryAfterMs);
        }

        private void OnConnected()
        {
            if (IsConnected || _answer == null) return;
            StopWaiting();
            IsConnected = true;
            _tokenExpired = false;
            _backoff.Reset();
            foreach (var room in AllRooms())
                if (IsConnected) room.OnConnected();
            _connected.Tell(this);
            SettleWaiting(null);
        }

        private void OnConnectError(JsonValue data)
        {
            if (IsConnected || _answer == null) return;
            StopWaiting();
            var error = data["data"]["code"].Kind == JsonKind.String
                ? RtException.From(data["data"])
                : new RtException("forbidden", data["message"].AsString("the namespace " + Name + " is refused"));
            if (error.IsTemporary) _backoff.Again(Connect, error.RetryAfterMs);
            else Refuse(error);
        }

        /// <summary>It does not come back by itself from this.</summary>
        private void Refuse(RtException error)
        {
            _refusal = error;
            SettleWaiting(error);
            foreach (var room in AllRooms()) room.OnRefused(error);
            _client.Fail(error);
            _client.OnRefused();
        }

        private void OnClosing(RtClosing closing)
        {
            _tokenExpired = closing.Error.Code == "token_expired" && _client.Options.Auth != null;
            if (closing.Reconnect) _client.RetryAfterMs = closing.Error.RetryAfterMs;
            else if (!_tokenExpired) _lastWords = closing.Error;
            _closing.Tell(closing);
        }

        /// <summary>The service ended this namespace, but not the connection.</summary>
        private void OnDisconnect()
        {
            if (!_tokenExpired) _lastWords = _lastWords ?? new RtException("forbidden", "the service disconnected " + Name);
            OnLost("disconnected");
            if (_tokenExpired) _backoff.Again(Connect);
        }

        private void SettleWaiting(RtException error)
        {
            var waiting = _waiting.ToArray();
            _waiting.Clear();
            foreach (var done in waiting) done(error, true);
        }

        private RtRoom[] AllRooms()
        {
            var rooms = new RtRoom[_rooms.Count];
            _rooms.Values.CopyTo(rooms, 0);
            return rooms;
        }
    }
}
