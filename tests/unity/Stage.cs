using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>Frames, and waiting for what is going to happen, with a deadline instead of a sleep.</summary>
    public static class Stage
    {
        private const int DeadlineMs = 60000;

        public static void Frame()
        {
            UnityStub.Engine.Frame();
            ((FrameContext)SynchronizationContext.Current).Run();
        }

        public static void Until(Func<bool> condition, string what = "it")
        {
            var watch = Stopwatch.StartNew();
            while (!condition())
            {
                Assert.That(watch.ElapsedMilliseconds, Is.LessThan(DeadlineMs), what + " did not happen");
                Frame();
                Thread.Sleep(1); // the rest of a frame
            }
        }

        public static void Equal<T>(Func<IList<T>> list, IList<T> expected)
        {
            Until(() => list().Count >= expected.Count, "the last of " + expected.Count);
            Assert.That(list(), Is.EqualTo(expected));
        }

        /// <summary>What an async part of a test gives; frames go on meanwhile.</summary>
        public static T Await<T>(Task<T> task)
        {
            Until(() => task.IsCompleted, "the task");
            return task.GetAwaiter().GetResult();
        }

        public static void Await(Task task)
        {
            Until(() => task.IsCompleted, "the task");
            task.GetAwaiter().GetResult();
        }

        /// <summary>The error with which a task fails.</summary>
        public static RtException Refused(Task task)
        {
            Until(() => task.IsCompleted, "the task");
            return Assert.Throws<RtException>(() => task.GetAwaiter().GetResult());
        }

        public static List<JsonValue> Numbers(int from, int to)
        {
            var numbers = new List<JsonValue>();
            for (var n = from; n < to; n++) numbers.Add(n);
            return numbers;
        }
    }

    /// <summary>As Unity's: what is awaited on the main thread goes on there, in a later frame.</summary>
    public sealed class FrameContext : SynchronizationContext
    {
        private readonly Queue<Action> _posted = new Queue<Action>();

        public override void Post(SendOrPostCallback callback, object state)
        {
            lock (_posted) _posted.Enqueue(() => callback(state));
        }

        public override SynchronizationContext CreateCopy()
        {
            return this;
        }

        public void Run()
        {
            while (true)
            {
                Action action;
                lock (_posted)
                {
                    if (_posted.Count == 0) return;
                    action = _posted.Dequeue();
                }
                action();
            }
        }
    }
}
