using System;

namespace RtService.Tests
{
    /// <summary>
    /// Whoever runs the test, tests/support/unity.py: it has the service, the network and the other clients. A line that
    /// begins with @ asks it, and its answer is a line.
    /// </summary>
    public static class Host
    {
        /// <summary>The address of a service that all tests share.</summary>
        public static string Service()
        {
            return Ask("service").AsString();
        }

        /// <summary>The address of a service of this test alone, with settings as <c>--set</c> takes them.</summary>
        public static string OwnService(params string[] settings)
        {
            var given = new JsonArray();
            foreach (var one in settings) given.Add(one);
            return Ask("own_service", given).AsString();
        }

        /// <summary>The address of a service of this test alone behind a network that can be cut.</summary>
        public static string OwnServiceBehindProxy()
        {
            OwnService();
            return Ask("proxy").AsString();
        }

        /// <summary>The address of a server that answers by a script of tests/support/unity_servers.py.</summary>
        public static string Scripted(string script)
        {
            return Ask("scripted", script).AsString();
        }

        /// <summary>What a file of tests/vectors holds.</summary>
        public static JsonValue Vectors(string name)
        {
            return JsonValue.Parse(System.IO.File.ReadAllText(Ask("vectors", name).AsString()));
        }

        public static JsonValue Ask(string what, JsonValue with = default(JsonValue))
        {
            Console.WriteLine("@" + new JsonObject { { "ask", what }, { "with", with } });
            var answer = Console.ReadLine();
            if (answer == null) throw new InvalidOperationException("whoever runs the test is gone");
            return JsonValue.Parse(answer);
        }
    }
}
