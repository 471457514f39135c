using System;

namespace RtService
{
    /// <summary>
    /// A pause before the next try: what the service asks for, and a random part that grows; not all clients come at once.
    /// </summary>
    internal sealed class Backoff
    {
        private const int PauseMs = 250; // before the first repetition, at most; doubled each time
        private const int PauseMostMs = 30000;

        private static readonly Random Random = new Random(Guid.NewGuid().GetHashCode()); // two players may start at once

        private readonly Schedule _schedule;
        private Schedule.Timer _timer;
        private int _tries;

        public Backoff(Schedule schedule)
        {
            _schedule = schedule;
        }

        public bool IsWaiting { get { return _timer != null && !_timer.IsOver; } }

        public void Again(Action action, long? retryAfterMs = null)
        {
            var most = Math.Min(PauseMostMs, PauseMs * Math.Pow(2, Math.Min(_tries++, 20)));
            if (_timer != null) _timer.Cancel();
            _timer = _schedule.After((retryAfterMs ?? 0) + (long)(Random.NextDouble() * most), action);
        }

        /// <summary>The next pause is a short one again.</summary>
        public void Succeeded()
        {
            _tries = 0;
        }

        public void Reset()
        {
            _tries = 0;
            Stop();
        }

        /// <summary>Do not try again; the next pause is as long as it would have been.</summary>
        public void Stop()
        {
            if (_timer != null) _timer.Cancel();
            _timer = null;
        }
    }
}
