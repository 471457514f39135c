using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>How far a client is with a room.</summary>
    public enum RoomState
    {
        /// <summary>There is no connection now; it is entered when there is.</summary>
        Away,

        /// <summary>The service is asked to let this client in.</summary>
        Joining,

        /// <summary>It is a member.</summary>
        In,

        /// <summary>The service said no, for good.</summary>
        Refused,

        /// <summary>This side left.</summary>
        Left
    }

    /// <summary>
    /// A room: each kept publication once and in order, also across reconnects, and publishing that is repeated until it is
    /// answered. From <see cref="RtNamespace.Join"/>.
    /// </summary>
    public sealed class RtRoom
    {
        private const int HeldMost = 1000;

        private readonly RtNamespace _namespace;
        private readonly RtClient _client;
        private readonly Outbox _outbox;
        private readonly Backoff _backoff;
        private readonly List<Publication> _held = new List<Publication>(); // pushed while a join is repeated
        private readonly Dictionary<string, HandlerList<Publication>> _byEvent = new Dictionary<string, HandlerList<Publication>>();
        private readonly List<Action<RtException, bool>> _waiting = new List<Action<RtException, bool>>(); // to enter
        private readonly HandlerList<Publication> _published;
        private readonly HandlerList<RoomJoined> _joined;
        private readonly HandlerList<PresenceChange> _presence;
        private readonly HandlerList<RtException> _failed;
        private RtException _refusal; // why nothing can be published
        private Position? _since;
        private int _attempt; // an answer to an earlier one comes too late

        internal RtRoom(RtNamespace owner, RtClient client, string name, Position? since)
        {
            Name = name;
            _namespace = owner;
            _client = client;
            _since = since;
            _outbox = new Outbox(client.Schedule, (request, done) => owner.Request("publish", request, done, RtNamespace.AnswerMs));
            _backoff = new Backoff(client.Schedule);
            _published = new HandlerList<Publication>(client.HandlerThrew);
            _joined = new HandlerList<RoomJoined>(client.HandlerThrew);
            _presence = new HandlerList<PresenceChange>(client.HandlerThrew);
            _failed = new HandlerList<RtException>(client.HandlerThrew);
        }

        /// <summary>Every publication: the kept ones once and in order, the others as they come.</summary>
        public event Action<Publication> PublicationReceived { add { _published.Add(value); } remove { _published.Remove(value); } }

        /// <summary>
        /// Entered, and again after every reconnect; what was missed follows as publications. Look at
        /// <see cref="RoomJoined.Recovered"/>.
        /// </summary>
        public event Action<RoomJoined> Joined { add { _joined.Add(value); } remove { _joined.Remove(value); } }

        /// <summary>Somebody else came or went.</summary>
        public event Action<PresenceChange> PresenceChanged { add { _presence.Add(value); } remove { _presence.Remove(value); } }

        /// <summary>
        /// The room or the connection is refused for good, or what was published without a callback was. Temporary trouble
        /// is not told; it is tried again. Without anybody here, <see cref="RtClient.Failed"/> is told.
        /// </summary>
        public event Action<RtException> Failed { add { _failed.Add(value); } remove { _failed.Remove(value); } }

        /// <summary>Its name.</summary>
        public string Name { get; private set; }

        /// <summary>How far this client is with it.</summary>
        public RoomState State { get; private set; }

        /// <summary>The last kept publication that was told; as <c>since</c>, where a later visit goes on.</summary>
        public Position? Position { get { return _since; } }

        /// <summary>Be told publications of one event; dispose what is returned to hear no more.</summary>
        public IDisposable On(string eventName, Action<Publication> handler)
        {
            HandlerList<Publication> list;
            if (!_byEvent.TryGetValue(eventName, out list))
                _byEvent[eventName] = list = new HandlerList<Publication>(_client.HandlerThrew);
            list.Add(handler);
            return new Subscription(() => list.Remove(handler));
        }

        /// <summary>
        /// Publish. It is sent again until it is answered or its deadline passes, and later ones wait for it; what is volatile
        /// waits for nothing. <paramref name="done"/> gets why it was not kept, or where it is; without it a refusal is told
        /// to <see cref="Failed"/>. <paramref name="data"/> must not be changed until then.
        /// </summary>
        public void Publish(string eventName, JsonValue data, PublishOptions options = null, Action<RtException, Published> done = null)
        {
            _client.CheckThread();
            options = options ?? new PublishOptions();
            var answered = _client.Guarded(done, Fail);
            var request = new JsonObject { { "room", Name }, { "event", eventName }, { "data", data } };
            if (options.Class == PublicationClass.Latest) request["class"] = "latest";
            if (options.Key != null) request["key"] = options.Key;
            if (_refusal != null) answered(_refusal, null);
            else if (options.Class == PublicationClass.Volatile) PublishOnce(request, options.DeadlineMs, answered);
            else _outbox.Add(request, options.DeadlineMs, answered);
        }

        /// <summary>As <see cref="Publish"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<Published> PublishAsync(string eventName, JsonValue data, PublishOptions options = null)
        {
            return Promise.Of<Published>(done => Publish(eventName, data, options, done));
        }

        /// <summary>Who is there now.</summary>
        public void Presence(Action<RtException, IReadOnlyList<Member>> done)
        {
            _namespace.Request("presence", Asked(), done, answer => Member.All(answer["members"]));
        }

        /// <summary>As <see cref="Presence"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<IReadOnlyList<Member>> PresenceAsync()
        {
            return Promise.Of<IReadOnlyList<Member>>(Presence);
        }

        /// <summary>
        /// Read what is kept: forward from <paramref name="since"/> or the oldest, or with <paramref name="reverse"/> backward
        /// from there or the newest.
        /// </summary>
        public void History(Action<RtException, HistoryPage> done, Position? since = null, int limit = 100, bool reverse = false)
        {
            var request = Asked();
            if (since.HasValue) request["since"] = since.Value.ToJson();
            request["limit"] = limit;
            request["reverse"] = reverse;
            _namespace.Request("history", request, done, answer => new HistoryPage(answer));
        }

        /// <summary>As <see cref="History"/>, to be awaited. Throws <see cref="RtException"/>.</summary>
        public Task<HistoryPage> HistoryAsync(Position? since = null, int limit = 100, bool reverse = false)
        {
            return Promise.Of<HistoryPage>(done => History(done, since, limit, reverse));
        }

        /// <summary>A task for having entered: at once if it is so already. Throws <see cref="RtException"/> if refused.</summary>
        public Task WhenJoined()
        {
            return Promise.Of<bool>(done =>
            {
                var refusal = _refusal ?? _namespace.Refusal;
                if (refusal != null || State == RoomState.In) done(refusal, true);
                else _waiting.Add(done);
            });
        }

        /// <summary>Leave. What still waits to be published is refused with <c>not_member</c>.</summary>
        public void Leave()
        {
            _client.CheckThread();
            if (State == RoomState.Left) return;
            var wasIn = State == RoomState.In || State == RoomState.Joining;
            End(RoomState.Left, new RtException("not_member", "the room " + Name + " was left"));
            _namespace.Forget(this);
            if (wasIn) _namespace.Request("leave", Asked(), (error, answer) => { }, RtNamespace.AnswerMs);
        }

        // -- entering

        internal void OnConnected()
        {
            _backoff.Reset();
            _refusal = null;
            State = RoomState.Joining;
            Join();
        }

        internal void OnDisconnected()
        {
            _attempt++;
            _held.Clear();
            _backoff.Reset();
            _outbox.Stop();
            if (State != RoomState.Left) State = RoomState.Away;
        }

        /// <summary>The namespace is refused for good.</summary>
        internal void OnRefused(RtException error)
        {
            if (_failed.Count > 0) _failed.Tell(error);
            SettleWaiting(error);
        }

        internal void Fail(RtException error)
        {
            if (_failed.Count > 0) _failed.Tell(error);
            else _client.Fail(error);
        }

        private void Join()
        {
            var attempt = ++_attempt;
            var request = Asked();
            if (_since.HasValue) request["since"] = _since.Value.ToJson();
            _namespace.Request("join", request, (error, answer) =>
            {
                if (attempt != _attempt) return;
                if (error == null) OnJoined(answer);
                else if (error.IsTemporary) _backoff.Again(Join, error.RetryAfterMs);
                else Fail(End(RoomState.Refused, error));
            }, RtNamespace.AnswerMs);
        }

        private void OnJoined(JsonValue answer)
        {
            var joined = new RoomJoined(answer, !_since.HasValue);
            var position = joined.Position;
            _since = new Position(position.Epoch, _since.HasValue && joined.Recovered ? _since.Value.Offset : position.Offset);
            State = RoomState.In;
            _backoff.Reset();
            _joined.Tell(joined);
            SettleWaiting(null);
            foreach (var publication in Publication.All(answer["publications"])) _client.Deliver(this, publication);
            foreach (var publication in _held) _client.Deliver(this, publication);
            _held.Clear();
            _client.Deliver(this, null);
        }

        private RtException End(RoomState state, RtException why)
        {
            OnDisconnected();
            State = state;
            _refusal = why;
            _outbox.Fail(why);
            SettleWaiting(why);
            return why;
        }

        internal void SettleWaiting(RtException error)
        {
            var waiting = _waiting.ToArray();
            _waiting.Clear();
            foreach (var done in waiting) done(error, true);
        }

        // -- what is pushed

        internal void OnPublication(Publication publication)
        {
            if (!publication.Offset.HasValue) Tell(publication);
            else if (State != RoomState.Joining) Kept(publication);
            else if (_held.Count < HeldMost) _held.Add(publication);
            else _client.Lose("inbound_full", "more than " + HeldMost + " publications came before the answer to `join`");
        }

        internal void OnPresence(PresenceChange change)
        {
            _presence.Tell(change);
        }

        /// <summary>A publication whose turn it is; null behind the last one that was missed.</summary>
        internal void Deliver(Publication publication)
        {
            if (publication != null) Kept(publication);
            else if (State == RoomState.In) _outbox.Start();
        }

        private void Kept(Publication publication)
        {
            if (State != RoomState.In || !_since.HasValue || !publication.Offset.HasValue) return;
            if (publication.Offset.Value <= _since.Value.Offset) return;
            _since = new Position(_since.Value.Epoch, publication.Offset.Value);
            _outbox.Seen(publication, _since.Value.Epoch);
            Tell(publication);
        }

        private void Tell(Publication publication)
        {
            if (State == RoomState.Left) return;
            HandlerList<Publication> list;
            _published.Tell(publication);
            if (_byEvent.TryGetValue(publication.Event, out list)) list.Tell(publication);
        }

        private void PublishOnce(JsonObject request, int deadlineMs, Action<RtException, Published> done)
        {
            request["class"] = "volatile";
            if (State != RoomState.In) done(new RtException("unavailable", "not in the room " + Name + " now"), null);
            else if (_client.IsCongested) done(new RtException("unavailable", "too much waits to be sent"), null);
            else _namespace.Request("publish", request, done, answer => new Published(answer), deadlineMs);
        }

        private JsonObject Asked()
        {
            return new JsonObject { { "room", Name } };
        }
    }
}
