using NUnit.Framework;
using UnityEngine;

namespace RtService.Tests
{
    /// <summary>The scripts of docs/unity.md, compiled as they stand there.</summary>
    public sealed class DocsTests
    {
        [Test]
        public void TheFirstScriptWritesWhatThePageShows()
        {
            var script = new GameObject("hello").AddComponent<Hello>();
            script.url = Host.OwnService();
            Stage.Equal(() => UnityStub.Engine.Logged, new[] { "log: in the room with 1", "log: unity says hello from Unity" });
            Host.Ask("stop");
            Host.Ask("start");
            using (var other = new Player(script.url, "other", "lobby").Enters())
            {
                other.Room.Publish("say", new JsonObject { { "text", "hi" } });
                Stage.Until(() => UnityStub.Engine.Logged.Contains("log: other says hi"));
                Object.Destroy(script.gameObject);
                Stage.Until(() => other.Presence.Contains("leave user:unity"));
            }
        }

        [Test]
        public void TheScriptThatCallsADeviceGetsItsAnswerOrItsRefusal()
        {
            var url = Host.Ask("simulated").AsString();
            foreach (var device in new[] { "pump-1", "nobody" })
            {
                var script = new GameObject("thermostat").AddComponent<Thermostat>();
                script.url = url;
                script.device = device;
            }
            Stage.Until(() => UnityStub.Engine.Logged.Count == 2);
            Assert.That(UnityStub.Engine.Logged, Has.Some.StringMatching("^log: it was [0-9.]+$"));
            Assert.That(UnityStub.Engine.Logged, Has.Member("log: it did not: not_online"));
            using (var other = new Player(url, "other", "lobby", "/iot").Enters())
                Assert.That(Stage.Await(other.Namespace.CallAsync("user:unity-thermostat", "greet", 1)).AsString(), Is.EqualTo("hello other"));
        }
    }
}
