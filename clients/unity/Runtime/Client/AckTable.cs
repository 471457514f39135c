using System;
using System.Collections.Generic;

namespace RtService
{
    /// <summary>Who waits for an answer, each with a time after which it is not waited for any more.</summary>
    internal sealed class AckTable
    {
        private const int WaitingMost = 4096;

        private readonly Schedule _schedule;
        private readonly Dictionary<long, Waiting> _waiting = new Dictionary<long, Waiting>();
        private long _next;

        public AckTable(Schedule schedule)
        {
            _schedule = schedule;
        }

        /// <summary>The id under which the answer will come.</summary>
        /// <exception cref="RtException">Too many wait.</exception>
        public long Add(Action<RtException, JsonValue> answered, int timeoutMs)
        {
            if (_waiting.Count >= WaitingMost) throw new RtException("too_many_requests", WaitingMost + " wait for an answer");
            var id = _next++;
            var timer = _schedule.After(timeoutMs, () => Settle(id, new RtException("timeout", "no answer in " + timeoutMs + " ms"), JsonValue.Null));
            _waiting.Add(id, new Waiting { Answered = answered, Timer = timer });
            return id;
        }

        /// <summary>An answer came; one that nobody waits for any more is ignored.</summary>
        public void OnAck(long id, JsonValue answer)
        {
            var refused = answer["ok"].Kind == JsonKind.False;
            Settle(id, refused ? RtException.From(answer["error"]) : null, answer);
        }

        /// <summary>It could not be sent.</summary>
        public void Fail(long id, RtException error)
        {
            Settle(id, error, JsonValue.Null);
        }

        /// <summary>The connection is gone, and with it the answers.</summary>
        public void FailAll(RtException error)
        {
            foreach (var id in new List<long>(_waiting.Keys)) Settle(id, error, JsonValue.Null);
        }

        private void Settle(long id, RtException error, JsonValue answer)
        {
            Waiting waiting;
            if (!_waiting.TryGetValue(id, out waiting)) return;
            _waiting.Remove(id);
            waiting.Timer.Cancel();
            waiting.Answered(error, answer);
        }

        private struct Waiting
        {
            public Action<RtException, JsonValue> Answered;
            public Schedule.Timer Timer;
        }
    }
}
