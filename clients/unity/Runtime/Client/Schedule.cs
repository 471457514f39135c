using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace RtService
{
    /// <summary>
    /// What is to be done later, on the thread that pumps. Time is the monotonic clock, moved on by what the device slept,
    /// which that clock does not count on phones: what waited longer than the service remembers must not be sent again.
    /// </summary>
    internal sealed class Schedule
    {
        private const int SleptMs = 5000; // a difference of the clocks below this is none
        private const int SweptFrom = 256;

        private static readonly Predicate<Timer> IsOver = timer => timer.IsOver;

        private readonly List<Timer> _timers = new List<Timer>();
        private int _sweepAt = SweptFrom; // cancelled ones are taken out when there are twice as many
        private readonly Func<long> _monotonicMs;
        private readonly Func<long> _wallMs;
        private long _earliest = long.MaxValue;
        private long _lag; // how far the clock of the wall is before the other one
        private long _slept;

        public Schedule() : this(MonotonicMs, WallMs)
        {
        }

        public Schedule(Func<long> monotonicMs, Func<long> wallMs)
        {
            _monotonicMs = monotonicMs;
            _wallMs = wallMs;
            _lag = wallMs() - monotonicMs();
        }

        public long NowMs { get { return _monotonicMs() + _slept; } }

        public Timer After(long ms, Action action)
        {
            var timer = new Timer { Due = NowMs + ms, Action = action };
            if (_timers.Count >= _sweepAt)
            {
                _timers.RemoveAll(IsOver);
                _sweepAt = Math.Max(SweptFrom, _timers.Count * 2);
            }
            _timers.Add(timer);
            if (timer.Due < _earliest) _earliest = timer.Due;
            return timer;
        }

        /// <summary>Look how long the device slept. From now on that counts.</summary>
        public void Wake()
        {
            var lag = _wallMs() - _monotonicMs();
            if (lag - _lag > SleptMs) _slept += lag - _lag;
            _lag = lag;
        }

        /// <summary>Do what is due, the earliest first.</summary>
        public void Run()
        {
            var now = NowMs;
            while (now >= _earliest)
            {
                var timer = TakeEarliest();
                if (timer == null) return;
                if (timer.Due > now)
                {
                    _timers.Add(timer);
                    _earliest = timer.Due;
                    return;
                }
                timer.Fire();
            }
        }

        private static long MonotonicMs()
        {
            return (long)(Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency);
        }

        private static long WallMs()
        {
            return DateTime.UtcNow.Ticks / TimeSpan.TicksPerMillisecond;
        }

        private Timer TakeEarliest()
        {
            Timer earliest = null;
            _timers.RemoveAll(IsOver);
            foreach (var timer in _timers)
                if (earliest == null || timer.Due < earliest.Due) earliest = timer;
            if (earliest == null) _earliest = long.MaxValue;
            else _timers.Remove(earliest);
            return earliest;
        }

        internal sealed class Timer
        {
            internal long Due;
            internal Action Action;

            public bool IsOver { get { return Action == null; } }

            public void Cancel()
            {
                Action = null;
            }

            internal void Fire()
            {
                var action = Action;
                Action = null;
                action();
            }
        }
    }
}
