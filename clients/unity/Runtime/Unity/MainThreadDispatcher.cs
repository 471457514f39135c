using System;
using System.Collections.Generic;
using System.Diagnostics;
using UnityEngine;

namespace RtService
{
    /// <summary>What the dispatcher drives: it is pumped in each frame, and told when the application sleeps and wakes.</summary>
    public interface IPumped
    {
        /// <summary>Do what there is to do, for at most about so many milliseconds.</summary>
        void Pump(double budgetMs);

        /// <summary>The application goes to the background.</summary>
        void Suspend();

        /// <summary>It is back.</summary>
        void Resume();

        /// <summary>The application, or the editor's play mode, ends.</summary>
        void Close();
    }

    /// <summary>
    /// Brings everything to the main thread: pumps clients and sockets in each frame, and runs what other threads
    /// <see cref="Post"/>. It makes itself; there is nothing to put into a scene.
    /// </summary>
    [DefaultExecutionOrder(-1000)]
    [AddComponentMenu("")]
    public sealed class MainThreadDispatcher : MonoBehaviour
    {
        /// <summary>How many actions may wait; past it <see cref="Post"/> says no.</summary>
        public const int PostedMost = 10000;

        /// <summary>How many milliseconds of a frame all of it may take, about.</summary>
        public static double BudgetMs = 4;

        internal const string WrongThread = "rt-service is used on the main thread only; MainThreadDispatcher.Post gets you there";

        private static readonly Queue<Action> Posted = new Queue<Action>();
        private static readonly List<IPumped> Pumped = new List<IPumped>();
        private static MainThreadDispatcher _instance;
        private static int _mainThread;
        private static int _refused;
        private static bool _closing; // now
        private static bool _quit;

        /// <summary>Whether this is the main thread.</summary>
        public static bool IsMainThread { get { return Environment.CurrentManagedThreadId == _mainThread; } }

        /// <summary>How many actions were refused since too many waited.</summary>
        public static int Refused { get { return _refused; } }

        /// <summary>
        /// Have something done on the main thread, in this frame or the next; from any thread. False if too much waits: then
        /// it is not done.
        /// </summary>
        public static bool Post(Action action)
        {
            if (action == null) throw new ArgumentNullException("action");
            lock (Posted)
            {
                if (Posted.Count < PostedMost)
                {
                    Posted.Enqueue(action);
                    return true;
                }
                _refused++;
                return false;
            }
        }

        /// <summary>End every connection; the editor calls it too, before it throws the code away.</summary>
        public static void CloseAll()
        {
            _closing = true;
            foreach (var one in Pumped.ToArray()) Guard(one.Close);
            _closing = false;
        }

        /// <summary>What is driven now, for the editor's window.</summary>
        public static IPumped[] All()
        {
            return Pumped.ToArray();
        }

        /// <summary>
        /// Whether what connects now will be driven, and closed at the end. Not at the end of play mode, when a handler is told
        /// that its connection was closed and makes another one; nor in edit mode.
        /// </summary>
        internal static bool Drives
        {
            get
            {
                if (_closing || _quit) return false;
                Make(); // where a game destroyed it, with everything else
                if (_instance == null) UnityEngine.Debug.LogWarning("rt-service: connections are there in play mode only");
                return _instance != null;
            }
        }

        /// <exception cref="InvalidOperationException">This is not the main thread.</exception>
        internal static void Add(IPumped pumped)
        {
            if (_mainThread != 0 && !IsMainThread) throw new InvalidOperationException(WrongThread);
            Make();
            Pumped.Add(pumped);
        }

        internal static void Remove(IPumped pumped)
        {
            Pumped.Remove(pumped);
        }

        /// <summary>Where the editor keeps the statics from one play mode to the next, nothing of the last one stays.</summary>
        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.SubsystemRegistration)]
        private static void Begin()
        {
            CloseAll();
            Pumped.Clear();
            lock (Posted) Posted.Clear();
            _refused = 0;
            _instance = null;
            _quit = false;
            _mainThread = Environment.CurrentManagedThreadId;
        }

        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.BeforeSceneLoad)]
        private static void Make()
        {
            if (_instance != null || _quit || !Application.isPlaying) return;
            var home = new GameObject("rt-service");
            DontDestroyOnLoad(home);
            _instance = home.AddComponent<MainThreadDispatcher>();
        }

        /// <summary>Where the editor compiled while it played, the statics were made anew, and this one is still there.</summary>
        private void OnEnable()
        {
            if (_instance != null) return;
            _instance = this;
            _mainThread = Environment.CurrentManagedThreadId;
        }

        private void Update()
        {
            var until = Stopwatch.GetTimestamp() + (long)(BudgetMs * Stopwatch.Frequency / 1000);
            RunPosted(until);
            for (var i = 0; i < Pumped.Count; i++)
            {
                var left = Math.Max(0, (until - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency);
                try
                {
                    Pumped[i].Pump(left / (Pumped.Count - i)); // so that the first does not take what the others need
                }
                catch (Exception error) // ours, or a transport's: the others go on all the same
                {
                    UnityEngine.Debug.LogException(error);
                }
            }
        }

        private void OnApplicationPause(bool paused)
        {
            foreach (var one in Pumped.ToArray())
            {
                if (paused) Guard(one.Suspend);
                else Guard(one.Resume);
            }
        }

        private void OnApplicationQuit()
        {
            _quit = true;
        }

        private void OnDestroy()
        {
            if (_instance != this) return;
            CloseAll();
            _instance = null;
        }

        private static void RunPosted(long until)
        {
            int count;
            lock (Posted) count = Posted.Count; // what these post themselves is for the next frame
            for (; count > 0; count--)
            {
                Action action;
                lock (Posted) action = Posted.Dequeue();
                Guard(action);
                if (Stopwatch.GetTimestamp() >= until) return;
            }
        }

        private static void Guard(Action action)
        {
            try
            {
                action();
            }
            catch (Exception error) // the application's, mostly; what comes next happens all the same
            {
                UnityEngine.Debug.LogException(error);
            }
        }
    }
}
