using System;
using System.Collections.Generic;

namespace RtService
{
    /// <summary>
    /// What is published into one room: kept here until it is answered, and sent again with the same id where that is in
    /// doubt.
    /// </summary>
    internal sealed class Outbox
    {
        private const int WaitingMost = 1000;
        private const int DeadlineMostMs = 240000; // the service knows a repeated id for five minutes

        private readonly Action<JsonValue, Action<RtException, JsonValue>> _ask;
        private readonly Schedule _schedule;
        private readonly Backoff _backoff;
        private readonly List<Waiting> _queue = new List<Waiting>();
        private Waiting _asked; // one at a time: while the first is refused for a while, a second would overtake it
        private bool _open;
        private int _connection;

        /// <summary><paramref name="ask"/> sends a publish and calls back with its answer, or why there is none.</summary>
        public Outbox(Schedule schedule, Action<JsonValue, Action<RtException, JsonValue>> ask)
        {
            _ask = ask;
            _schedule = schedule;
            _backoff = new Backoff(schedule);
        }

        public void Add(JsonObject request, int deadlineMs, Action<RtException, Published> done)
        {
            var refusal = Refusal(deadlineMs);
            if (refusal != null)
            {
                done(refusal, null);
                return;
            }
            var waiting = new Waiting { Id = Guid.NewGuid().ToString("N"), Request = request, Done = done };
            request["id"] = waiting.Id;
            waiting.Deadline = _schedule.After(deadlineMs, () => Late(waiting));
            _queue.Add(waiting);
            Next();
        }

        /// <summary>The room was entered: what waits is sent, first what an earlier connection left unanswered.</summary>
        public void Start()
        {
            _open = true;
            Next();
        }

        /// <summary>The connection is gone, and with it the answers.</summary>
        public void Stop()
        {
            _open = false;
            _connection++;
            _asked = null;
            _backoff.Reset();
        }

        /// <summary>
        /// A publication that came back from the room needs no answer any more. So it is not sent again by an anonymous
        /// client either, whose repetition over the next connection would be somebody else's for the service.
        /// </summary>
        public void Seen(Publication publication, string epoch)
        {
            if (_queue.Count == 0 || _queue[0].Id != publication.Id) return;
            Settle(_queue[0], null, new Published(publication.Id, epoch, publication.Offset));
        }

        public void Fail(RtException error)
        {
            var all = _queue.ToArray();
            _queue.Clear();
            foreach (var waiting in all)
            {
                waiting.Deadline.Cancel();
                waiting.Done(error, null);
            }
        }

        private RtException Refusal(int deadlineMs)
        {
            if (deadlineMs > DeadlineMostMs) return new RtException("bad_request", "DeadlineMs is at most " + DeadlineMostMs);
            if (_queue.Count < WaitingMost) return null;
            return new RtException("too_many_requests", WaitingMost + " wait to be published");
        }

        private void Next()
        {
            if (_queue.Count == 0 || !_open || _asked != null || _backoff.IsWaiting) return;
            var waiting = _queue[0];
            var connection = _connection;
            _asked = waiting;
            waiting.Sent = true;
            _ask(waiting.Request, (error, answer) =>
            {
                if (connection == _connection && _asked == waiting) Answered(waiting, error, answer);
            });
        }

        private void Answered(Waiting waiting, RtException error, JsonValue answer)
        {
            _asked = null;
            if (error == null) Settle(waiting, null, new Published(answer));
            else if (error.IsTemporary) _backoff.Again(Next, error.RetryAfterMs);
            else Settle(waiting, error, null);
        }

        private void Late(Waiting waiting)
        {
            var message = waiting.Sent ? "not answered in time; it may have arrived" : "not sent in time";
            Settle(waiting, new RtException("timeout", message), null);
        }

        private void Settle(Waiting waiting, RtException error, Published published)
        {
            waiting.Deadline.Cancel();
            _queue.Remove(waiting);
            if (_asked == waiting) _asked = null;
            _backoff.Succeeded();
            waiting.Done(error, published);
            Next();
        }

        private sealed class Waiting
        {
            public string Id;
            public JsonObject Request;
            public bool Sent;
            public Schedule.Timer Deadline;
            public Action<RtException, Published> Done;
        }
    }
}
