using System;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>A task out of something that calls back. It is settled, and goes on, on the thread that pumps.</summary>
    internal static class Promise
    {
        public static Task<T> Of<T>(Action<Action<RtException, T>> start)
        {
            // Not RunContinuationsAsynchronously: there are no other threads in WebGL, and in the others a frame is lost.
            var source = new TaskCompletionSource<T>();
            start((error, value) =>
            {
                if (error != null) source.TrySetException(error);
                else source.TrySetResult(value);
            });
            return source.Task;
        }

        /// <summary>Why a task failed.</summary>
        public static Exception Error(Task task)
        {
            if (task.Exception == null) return new RtException("unavailable", "it was cancelled");
            return task.Exception.GetBaseException();
        }
    }
}
