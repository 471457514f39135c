using System;

namespace RtService
{
    /// <summary>
    /// Who wants to be told. One that throws keeps nothing from the others: what it threw is given to <c>failed</c>.
    /// </summary>
    internal sealed class HandlerList<T>
    {
        private readonly Action<Exception> _failed;
        private Action<T>[] _handlers = new Action<T>[0];

        public HandlerList(Action<Exception> failed)
        {
            _failed = failed;
        }

        public int Count { get { return _handlers.Length; } }

        public void Add(Action<T> handler)
        {
            if (handler == null) throw new ArgumentNullException("handler");
            var more = new Action<T>[_handlers.Length + 1];
            Array.Copy(_handlers, more, _handlers.Length);
            more[_handlers.Length] = handler;
            _handlers = more;
        }

        public void Remove(Action<T> handler)
        {
            var at = Array.LastIndexOf(_handlers, handler);
            if (at < 0) return;
            var fewer = new Action<T>[_handlers.Length - 1];
            Array.Copy(_handlers, fewer, at);
            Array.Copy(_handlers, at + 1, fewer, at, fewer.Length - at);
            _handlers = fewer;
        }

        public void Tell(T value)
        {
            var handlers = _handlers;
            foreach (var handler in handlers)
            {
                // One that another handler removed meanwhile may belong to an object that is destroyed.
                if (!ReferenceEquals(handlers, _handlers) && Array.IndexOf(_handlers, handler) < 0) continue;
                try
                {
                    handler(value);
                }
                catch (Exception error) // the application's; it is its own affair
                {
                    _failed(error);
                }
            }
        }
    }

    /// <summary>What <c>On</c> returns: <see cref="Dispose"/> it to hear no more.</summary>
    internal sealed class Subscription : IDisposable
    {
        private Action _end;

        public Subscription(Action end)
        {
            _end = end;
        }

        public void Dispose()
        {
            var end = _end;
            _end = null;
            if (end != null) end();
        }
    }
}
