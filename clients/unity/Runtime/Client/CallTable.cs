using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace RtService
{
    /// <summary>A question of somebody else to this client.</summary>
    public sealed class RtCall
    {
        internal RtCall(JsonValue value)
        {
            Id = value["id"].AsString("");
            Method = value["method"].AsString("");
            Data = value["data"];
            From = new Identity(value["from"]);
        }

        /// <summary>The id of the call, for the log.</summary>
        public string Id { get; private set; }

        /// <summary>What is asked for.</summary>
        public string Method { get; private set; }

        /// <summary>What it is asked with.</summary>
        public JsonValue Data { get; private set; }

        /// <summary>Who asks.</summary>
        public Identity From { get; private set; }
    }

    /// <summary>The methods that others may call, and their answers.</summary>
    internal sealed class CallTable
    {
        private const int RunningMost = 100;

        private readonly Dictionary<string, Func<RtCall, Task<JsonValue>>> _methods = new Dictionary<string, Func<RtCall, Task<JsonValue>>>();
        private readonly RtClient _client;
        private int _running;

        public CallTable(RtClient client)
        {
            _client = client;
        }

        /// <summary>The latest one of a name counts.</summary>
        public IDisposable Add(string method, Func<RtCall, Task<JsonValue>> answer)
        {
            if (answer == null) throw new ArgumentNullException("answer");
            _methods[method] = answer;
            return new Subscription(() =>
            {
                Func<RtCall, Task<JsonValue>> now;
                if (_methods.TryGetValue(method, out now) && now == answer) _methods.Remove(method);
            });
        }

        /// <summary>Answer a call, now or later: <paramref name="reply"/> gets what the callee's acknowledgement says.</summary>
        public void Answer(RtCall call, Action<JsonValue> reply)
        {
            Func<RtCall, Task<JsonValue>> answer;
            if (!_methods.TryGetValue(call.Method, out answer)) reply(Refusal("not_found", "there is no method " + call.Method));
            else if (_running >= RunningMost) reply(Refusal("too_many_requests", RunningMost + " calls run already"));
            else Run(call, answer, reply);
        }

        private void Run(RtCall call, Func<RtCall, Task<JsonValue>> answer, Action<JsonValue> reply)
        {
            Task<JsonValue> task;
            try
            {
                task = answer(call) ?? Task.FromResult(JsonValue.Null);
            }
            catch (Exception error) // the application's: the caller is told
            {
                reply(Refusal(call.Method, error));
                return;
            }
            _running++;
            _client.Watch(task, () =>
            {
                _running--;
                if (task.Status == TaskStatus.RanToCompletion) reply(task.Result);
                else reply(Refusal(call.Method, Promise.Error(task)));
            });
        }

        private JsonValue Refusal(string method, Exception error)
        {
            var told = error as RtException;
            if (told != null) return Refusal(told.Code, told.Message);
            _client.HandlerThrew(error);
            return Refusal("internal", method + " failed"); // what went wrong is in the log here, and nobody else's affair
        }

        internal static JsonValue Refusal(string code, string message)
        {
            return new JsonObject { { "error", new JsonObject { { "code", code }, { "message", message } } } };
        }
    }
}
