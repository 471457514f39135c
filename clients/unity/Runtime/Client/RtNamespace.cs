using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>The service is about to end this client's session.</summary>
    public sealed class RtClosing
    {
        internal RtClosing(JsonValue value)
        {
            Error = RtException.From(value);
            Reconnect = value["reconnect"].AsBool();
        }

        /// <summary>Why: <c>shutdown</c>, <c>slow</c>, <c>too_many_requests</c>, …</summary>
        public RtException Error { get; private set; }

        /// <summary>Whether the client comes back by itself.</summary>
        public bool Reconnect { get; private set; }
    }

    /// <summary>
    /// A namespace: its rooms, and asking and being asked. From <see cref="RtClient.Namespace"/>; all of a client share one
    /// connection. What takes a callback can be awaited by its name with Async.
    /// </summary>
    public sealed partial class RtNamespace
    {
        internal const int AnswerMs = 10000; // an answer that takes longer is not waited for

        private readonly RtClient _client;
        private readonly AckTable _acks;
        private readonly CallTable _calls;
        private readonly Dictionary<string, RtRoom> _rooms = new Dictionary<string, RtRoom>();
        private readonly Dictionary<string, HandlerList<Publication>> _byEvent = new Dictionary<string, HandlerList<Publication>>();

        internal RtNamespace(RtClient client, string name)
        {
            Name = name;
            _client = client;
            _acks = new AckTable(client.Schedule);
            _calls = new CallTable(client);
            _backoff = new Backoff(client.Schedule);
            _connected = new HandlerList<RtNamespace>(client.HandlerThrew);
            _disconnected = new HandlerList<string>(client.HandlerThrew);
            _closing = new HandlerList<RtClosing>(client.HandlerThrew);
        }

        /// <summary>Such as <c>/chat</c>.</summary>
        public string Name { get; private set; }

        /// <summary>
        /// Enter a room, and stay in it until <see cref="RtRoom.Leave"/>; at once or as soon as there is a connection. The same
        /// room again is the same object. With <paramref name="since"/>, the <see cref="RtRoom.Position"/> of an earlier visit,
        /// what was missed comes first.
        /// </summary>
        public RtRoom Join(string room, Position? since = null)
        {
            _client.CheckThread();
            RtRoom found;
            if (_rooms.TryGetValue(room, out found)) return found;
            _rooms[room] = found = new RtRoom(this, _client, room, since);
            if (IsConnected) found.OnConnected();
            return found;
        }

        /// <summary>
        /// Be told what is sent to this client alone (<see cref="Send"/>); dispose what is returned to hear no more.
        /// </summary>
        public IDisposable On(string eventName, Action<Publication> handler)
        {
            HandlerList<Publication> list;
            if (!_byEvent.TryGetValue(eventName, out list))
                _byEvent[eventName] = list = new HandlerList<Publication>(_client.HandlerThrew);
            list.Add(handler);
            return new Subscription(() => list.Remove(handler));
        }

        /// <summary>Answer calls of others. What it throws is their error.</summary>
        public IDisposable OnCall(string method, Func<RtCall, JsonValue> answer)
        {
            if (answer == null) throw new ArgumentNullException("answer");
            return _calls.Add(method, call => Task.FromResult(answer(call)));
        }

        /// <summary>As <see cref="OnCall"/>, for answers that take a while.</summary>
        public IDisposable OnCallAsync(string method, Func<RtCall, Task<JsonValue>> answer)
        {
            return _calls.Add(method, answer);
        }

        /// <summary>Send to one identity, such as <c>user:alice</c>. Tells how many of its sessions got it.</summary>
        public void Send(string to, string eventName, JsonValue data, Action<RtException, int> done = null)
        {
            var request = new JsonObject { { "to", to }, { "event", eventName }, { "data", data } };
            Request("send", request, done, answer => answer["delivered"].AsInt());
        }

        /// <summary>As <see cref="Send"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<int> SendAsync(string to, string eventName, JsonValue data)
        {
            return Promise.Of<int>(done => Send(to, eventName, data, done));
        }

        /// <summary>Ask one identity, such as <c>device:pump-1</c>, and get what it answers.</summary>
        public void Call(string to, string method, JsonValue data, Action<RtException, JsonValue> done, int timeoutMs = 5000)
        {
            var request = new JsonObject { { "to", to }, { "method", method }, { "data", data }, { "timeout_ms", timeoutMs } };
            Request("call", request, done, answer => answer["data"], timeoutMs + AnswerMs);
        }

        /// <summary>As <see cref="Call"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<JsonValue> CallAsync(string to, string method, JsonValue data, int timeoutMs = 5000)
        {
            return Promise.Of<JsonValue>(done => Call(to, method, data, done, timeoutMs));
        }

        /// <summary>
        /// Any verb of docs/protocol.md with what it takes: <c>rooms</c>, <c>twin</c>, <c>ping</c>, … Gets the whole answer.
        /// It is asked once, now: without a connection it is refused as <c>unavailable</c>, before this returns; a callback that
        /// asks again then, at once, never ends.
        /// </summary>
        public void Ask(string verb, JsonObject request, Action<RtException, JsonValue> done, int timeoutMs = AnswerMs)
        {
            Request(verb, request, done, answer => answer, timeoutMs);
        }

        /// <summary>As <see cref="Ask"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<JsonValue> AskAsync(string verb, JsonObject request = null, int timeoutMs = AnswerMs)
        {
            return Promise.Of<JsonValue>(done => Ask(verb, request, done, timeoutMs));
        }

        /// <summary>Ask on behalf of the application, whose callback may throw.</summary>
        internal void Request<T>(
            string verb, JsonObject request, Action<RtException, T> done, Func<JsonValue, T> read, int timeoutMs = AnswerMs)
        {
            _client.CheckThread();
            var guarded = _client.Guarded(done, _client.Fail);
            Request(verb, request ?? new JsonObject(), (error, answer) =>
            {
                if (error != null) guarded(error, default(T));
                else guarded(null, read(answer));
            }, timeoutMs);
        }

        /// <summary>Ask the service. <paramref name="answered"/> is called once, whatever happens, and must not throw.</summary>
        internal void Request(string verb, JsonValue request, Action<RtException, JsonValue> answered, int timeoutMs)
        {
            if (!IsConnected)
            {
                answered(new RtException("unavailable", "not connected to " + Name), JsonValue.Null);
                return;
            }
            var id = Packet.NoId;
            try
            {
                id = _acks.Add(answered, timeoutMs);
                _client.Send(PacketType.Event, Name, id, new JsonArray { verb, request });
            }
            catch (RtException error)
            {
                if (id == Packet.NoId) answered(error, JsonValue.Null);
                else _acks.Fail(id, error);
            }
        }

        internal void Forget(RtRoom room)
        {
            _rooms.Remove(room.Name);
        }

        private void OnEvent(Packet packet)
        {
            var name = packet.Data[0].AsString();
            var body = packet.Data[1];
            var room = body["room"].AsString();
            RtRoom entered = null;
            if (room != null) _rooms.TryGetValue(room, out entered);
            if (name == "closing") OnClosing(new RtClosing(body));
            else if (name == "call") Answer(packet.Id, new RtCall(body));
            else if (name == "presence" && entered != null) entered.OnPresence(new PresenceChange(body));
            else if (body.AsObject() == null || !body.AsObject().Contains("offset")) return;
            else if (entered != null) entered.OnPublication(new Publication(body));
            else if (room == null) OnSent(new Publication(body));
        }

        private void OnSent(Publication publication)
        {
            HandlerList<Publication> list;
            if (_byEvent.TryGetValue(publication.Event, out list)) list.Tell(publication);
        }

        private void Answer(long id, RtCall call)
        {
            var connection = _connection;
            _calls.Answer(call, answer =>
            {
                if (id == Packet.NoId || connection != _connection || !IsConnected) return; // nobody waits any more
                try
                {
                    _client.Send(PacketType.Ack, Name, id, new JsonArray { answer });
                }
                catch (RtException error)
                {
                    _client.HandlerThrew(error);
                    _client.Send(PacketType.Ack, Name, id, new JsonArray { CallTable.Refusal(error.Code, error.Message) });
                }
            });
        }
    }
}
