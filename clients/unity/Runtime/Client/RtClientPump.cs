using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>What the client does in each frame.</summary>
    public sealed partial class RtClient
    {
        private readonly Queue<Delivery> _deliveries = new Queue<Delivery>(); // of one answer to `join`
        private readonly List<Watched> _watched = new List<Watched>();
        private long _lastPumpMs;
        private bool _pumping;

        /// <summary>
        /// Handle what came, for at most about <paramref name="budgetMs"/> milliseconds; the rest waits for the next frame. The
        /// dispatcher calls it.
        /// </summary>
        public void Pump(double budgetMs)
        {
            CheckThread();
            if (_pumping) return;
            _pumping = true;
            try
            {
                var until = Stopwatch.GetTimestamp() + (long)(budgetMs * Stopwatch.Frequency / 1000);
                Schedule.Wake();
                var now = Schedule.NowMs;
                var elapsed = now - _lastPumpMs;
                _lastPumpMs = now;
                CheckWatched();
                if (ReadAll(until) && _connection != null) _connection.Wait(elapsed);
                Schedule.Run(); // after reading: an answer that is here already is not late
                if (_connection != null && _connection.Ended != null) OnEnded();
            }
            finally
            {
                _pumping = false;
            }
        }

        /// <summary>A publication whose turn comes in order, in this frame or a later one.</summary>
        internal void Deliver(RtRoom room, Publication publication)
        {
            _deliveries.Enqueue(new Delivery { Room = room, Publication = publication });
        }

        /// <summary>Call back when a task of the application is done, whatever thread it ran on.</summary>
        internal void Watch(Task task, Action done)
        {
            if (task.IsCompleted) done();
            else _watched.Add(new Watched { Task = task, Done = done });
        }

        /// <summary>Whether everything was read that is here.</summary>
        private bool ReadAll(long until)
        {
            while (_connection != null && _connection.Ended == null)
            {
                if (_deliveries.Count > 0)
                {
                    var delivery = _deliveries.Dequeue();
                    delivery.Room.Deliver(delivery.Publication);
                }
                else if (!ReadOne()) return true;
                if (Stopwatch.GetTimestamp() >= until) return false;
            }
            return true;
        }

        private bool ReadOne()
        {
            Packet packet;
            var connection = _connection;
            var wasOpen = connection.IsOpen;
            var read = connection.Read(out packet);
            if (!wasOpen && connection.IsOpen) OnOpen();
            if (!read) return false;
            RtNamespace to;
            if (_namespaces.TryGetValue(packet.Namespace, out to)) to.OnPacket(packet);
            return true;
        }

        private void CheckWatched()
        {
            for (var i = 0; i < _watched.Count; i++)
            {
                if (!_watched[i].Task.IsCompleted) continue;
                var done = _watched[i].Done;
                _watched.RemoveAt(i--);
                done();
            }
        }

        private struct Delivery
        {
            public RtRoom Room;
            public Publication Publication;
        }

        private struct Watched
        {
            public Task Task;
            public Action Done;
        }
    }
}
