using System;
using System.Reflection;
using System.Runtime.CompilerServices;
using NUnit.Framework;
using RtService.Samples;
using UnityEngine;

namespace RtService.Tests
{
    /// <summary>The samples, and the editor's part, as somebody who tries them meets them.</summary>
    public sealed class SampleTests
    {
        [Test]
        public void TheWebSocketSampleShowsWhatComesBack()
        {
            var sample = new GameObject("sample").AddComponent<WebSocketSample>();
            sample.url = Host.Service().Replace("http", "ws") + "/echo";
            Stage.Until(() => sample.output != null && sample.output.text.StartsWith("open: "));
            sample.input.text = "hello there";
            sample.button.onClick.Invoke();
            Stage.Until(() => sample.output.text.Contains("← "));
            Assert.That(sample.output.text, Is.StringEnding("→ hello there\n← hello there\n"));
            for (var i = 0; i < 30; i++) sample.button.onClick.Invoke();
            Assert.That(sample.output.text.Split('\n').Length, Is.EqualTo(21));
        }

        [Test]
        public void TheWebSocketSampleSpeaksTheVerbsToo()
        {
            var sample = new GameObject("sample").AddComponent<WebSocketSample>();
            sample.url = Host.Service().Replace("http", "ws") + "/ws";
            Stage.Frame();
            sample.input.text = "{\"op\":\"join\",\"ns\":\"/chat\",\"ref\":1,\"room\":\"unity-sample-ws\"}";
            sample.button.onClick.Invoke();
            Stage.Until(() => sample.output.text.Contains("← {\"ref\":1,\"ok\":true,"));
        }

        [Test]
        public void TheChatSampleShowsWhatOthersSayAndWhoComesAndGoes()
        {
            var url = Host.Service();
            var one = Chat(url, "alice");
            Stage.Until(() => one.output != null && one.output.text.Contains("in unity-sample-chat as alice with 0 others"));
            var other = Chat(url, "bob");
            Stage.Until(() => one.output.text.Contains("bob joins"));
            Stage.Until(() => other.output.text.Contains("with 1 others"));
            other.input.text = "hi alice";
            other.button.onClick.Invoke();
            Assert.That(other.input.text, Is.Empty);
            Stage.Until(() => one.output.text.Contains("bob: hi alice") && other.output.text.Contains("bob: hi alice"));
            UnityEngine.Object.Destroy(other.gameObject);
            Stage.Until(() => one.output.text.Contains("bob leaves"));
        }

        [Test]
        public void TheCubeSampleGoesWhereAnMqttDeviceSays()
        {
            var sample = new GameObject("cube").AddComponent<CubeSample>();
            sample.url = Host.Service();
            sample.device = "unity-cube";
            Say(new JsonObject { { "x", 2 }, { "y", 1.5 } });
            Stage.Until(() => Math.Abs(sample.transform.position.x - 2) < 0.01 && Math.Abs(sample.transform.position.y - 1.5) < 0.01);
            Say(new JsonObject { { "z", -3 } });
            Stage.Until(() => Math.Abs(sample.transform.position.z + 3) < 0.01);
            Assert.That(sample.transform.position.x, Is.EqualTo(2).Within(0.01));
            var late = new GameObject("cube").AddComponent<CubeSample>(); // the device says nothing more
            late.url = sample.url;
            late.device = sample.device;
            Stage.Until(() => Math.Abs(late.transform.position.z + 3) < 0.01);
        }

        [Test]
        public void TheEditorEndsConnectionsWhenPlayModeEndsAndBeforeCodeIsCompiledAnew()
        {
            RuntimeHelpers.RunClassConstructor(typeof(RtService.Editor.PlayModeEnd).TypeHandle);
            using (var alice = new Player(Host.Service(), "alice", "unity-editor").Enters())
            {
                UnityEditor.EditorApplication.Change(UnityEditor.PlayModeStateChange.EnteredPlayMode);
                Assert.That(alice.Namespace.IsConnected, Is.True);
                UnityEditor.EditorApplication.Change(UnityEditor.PlayModeStateChange.ExitingPlayMode);
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
                alice.Client.Connect();
                alice.Enters(2);
                UnityEditor.AssemblyReloadEvents.Reload();
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
            }
        }

        [Test]
        public void TheEditorsWindowShowsTheClients()
        {
            var window = new RtService.Editor.ClientsWindow();
            Draw(window);
            Assert.That(UnityEditor.EditorGUILayout.Shown, Is.EqualTo(new[] { "No client; they are there in play mode.: " }));
            using (new Player(Host.Service(), "alice", "unity-window").Enters())
            {
                Draw(window);
                Assert.That(UnityEditor.EditorGUILayout.Shown, Has.Some.StringMatching("^ws://127.0.0.1:.*: Open$"));
                Assert.That(UnityEditor.EditorGUILayout.Shown, Has.Member("connections: 1"));
            }
        }

        private static ChatSample Chat(string url, string user)
        {
            var sample = new GameObject("sample").AddComponent<ChatSample>();
            sample.url = url;
            sample.user = user;
            sample.room = "unity-sample-chat";
            return sample;
        }

        private static void Say(JsonObject telemetry)
        {
            Host.Ask("mqtt_publish", new JsonObject { { "topic", "devices/unity-cube/telemetry" }, { "payload", telemetry } });
        }

        private static void Draw(object window)
        {
            window.GetType().GetMethod("OnGUI", BindingFlags.Instance | BindingFlags.NonPublic).Invoke(window, null);
        }
    }
}
