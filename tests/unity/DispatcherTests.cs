using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>The dispatcher, play mode, the plain WebSocket, and time.</summary>
    public sealed class DispatcherTests
    {
        [Test]
        public void WhatAnotherThreadPostsIsDoneOnTheMainThreadInOrder()
        {
            var done = new List<int>();
            Assert.That(MainThreadDispatcher.IsMainThread, Is.True);
            Stage.Await(Task.Run(() =>
            {
                for (var i = 0; i < 100; i++)
                {
                    var n = i;
                    MainThreadDispatcher.Post(() => done.Add(MainThreadDispatcher.IsMainThread ? n : -1));
                }
                Assert.That(MainThreadDispatcher.IsMainThread, Is.False);
            }));
            Stage.Until(() => done.Count == 100);
            for (var i = 0; i < 100; i++) Assert.That(done[i], Is.EqualTo(i));
        }

        [Test]
        public void WhatIsPostedMayThrowAndTheNextIsDoneAllTheSame()
        {
            var done = false;
            MainThreadDispatcher.Post(() => { throw new InvalidOperationException("no"); });
            MainThreadDispatcher.Post(() => done = true);
            Stage.Until(() => done);
            Assert.That(UnityStub.Engine.Logged, Is.EqualTo(new[] { "exception: InvalidOperationException: no" }));
        }

        [Test]
        public void MoreThanMayWaitIsRefusedAndCounted()
        {
            for (var i = 0; i < MainThreadDispatcher.PostedMost; i++) Assert.That(MainThreadDispatcher.Post(() => { }), Is.True);
            Assert.That(MainThreadDispatcher.Post(() => { }), Is.False);
            Assert.That(MainThreadDispatcher.Refused, Is.EqualTo(1));
            Stage.Until(() => MainThreadDispatcher.Post(() => { }));
        }

        [Test]
        public void WhatIsPostedTakesNoMoreThanAFramesShare()
        {
            var done = 0;
            for (var i = 0; i < 100; i++)
                MainThreadDispatcher.Post(() =>
                {
                    Thread.Sleep(2);
                    done++;
                });
            Stage.Frame();
            Assert.That(done, Is.InRange(1, 3)); // of 2 ms each, in a share of 4
            Stage.Until(() => done == 100);
        }

        [Test]
        public void ALeftPlayModeLeavesNoConnectionBehind()
        {
            var url = Host.Service();
            var alice = new Player(url, "alice", "unity-play").Enters();
            var socket = new WebSocketClient(url.Replace("http", "ws") + "/echo");
            socket.Connect();
            Stage.Until(() => socket.IsOpen);
            UnityStub.Engine.Stop(); // the process, as the editor's, goes on
            Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
            Assert.That(socket.IsOpen, Is.False);
            UnityStub.Engine.Play(typeof(RtClient).Assembly); // the statics are still there, as without a domain reload
            Assert.That(MainThreadDispatcher.All(), Is.Empty);
            using (var bob = new Player(url, "bob", "unity-play").Enters())
            {
                Stage.Until(() => Stage.Await(bob.Room.PresenceAsync()).Count == 1, "alice leaving");
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
            }
        }

        [Test]
        public void WhoConnectsAgainWhenItIsClosedIsNotLeftBehindEither()
        {
            var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo");
            var client = new RtClient(Host.Service());
            client.Namespace("/chat");
            socket.Closed += why => socket.Connect();
            client.StateChanged += state =>
            {
                if (state == ConnectionState.Closed) client.Connect();
            };
            socket.Connect();
            Stage.Await(client.ConnectAsync());
            Stage.Until(() => socket.IsOpen);
            UnityStub.Engine.Stop();
            Assert.Throws<InvalidOperationException>(() => socket.Send("there is no connection, nor about to be"));
            Assert.That(client.State, Is.EqualTo(ConnectionState.Closed));
            UnityStub.Engine.Play(typeof(RtClient).Assembly);
            Assert.Throws<InvalidOperationException>(() => socket.Send("nor now"));
            Assert.That(client.State, Is.EqualTo(ConnectionState.Closed));
            using (var next = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo"))
            {
                next.Connect();
                Stage.Until(() => next.IsOpen);
            }
        }

        [Test]
        public void WhoConnectsAgainInTheBackgroundIsConnectedWhenThatIsOver()
        {
            using (var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo"))
            {
                socket.Closed += why => socket.Connect();
                socket.Connect();
                Stage.Until(() => socket.IsOpen);
                UnityStub.Engine.Pause(true);
                Assert.Throws<InvalidOperationException>(() => socket.Send("not in the background"));
                UnityStub.Engine.Pause(false);
                Stage.Until(() => socket.IsOpen);
            }
        }

        [Test]
        public void WhatWasDisposedDoesNotConnect()
        {
            var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo");
            var client = new RtClient(Host.Service());
            socket.Dispose();
            client.Dispose();
            Assert.Throws<ObjectDisposedException>(socket.Connect);
            Assert.Throws<ObjectDisposedException>(client.Connect);
        }

        [Test]
        public void OutsideOfPlayModeNothingConnectsAndThatIsSaid()
        {
            UnityStub.Engine.Edit();
            var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo");
            socket.Connect();
            Assert.That(UnityStub.Engine.Logged, Is.EqualTo(new[] { "warning: rt-service: connections are there in play mode only" }));
            Assert.Throws<InvalidOperationException>(() => socket.Send("hello"));
        }

        [Test]
        public void AnEchoComesBackAsItWasSent()
        {
            var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/echo");
            var told = new List<string>();
            socket.Opened += one => told.Add("opened");
            socket.TextReceived += told.Add;
            socket.TextReceived += text => { throw new InvalidOperationException("no " + text); };
            socket.BinaryReceived += bytes => told.Add(bytes.Length + " bytes");
            socket.Closed += told.Add;
            Assert.Throws<InvalidOperationException>(() => socket.Send("too early"));
            socket.Connect();
            socket.Send("hello €"); // waits until it is open
            socket.Send(new byte[70000]);
            socket.Send("");
            Stage.Equal(() => told, new[] { "opened", "hello €", "70000 bytes", "" });
            socket.Close();
            Assert.That(told[told.Count - 1], Is.EqualTo("closed here"));
            socket.Connect();
            socket.Send("again");
            Stage.Until(() => told[told.Count - 1] == "again");
            UnityStub.Engine.Pause(true);
            Assert.That(socket.IsOpen, Is.False);
            UnityStub.Engine.Pause(false);
            Stage.Until(() => socket.IsOpen);
            socket.Dispose();
        }

        [Test]
        public void ASocketThatCannotConnectSaysWhy()
        {
            foreach (var url in new[] { "ws://127.0.0.1:1/echo", "127.0.0.1", "http://127.0.0.1:5000/echo" })
            {
                var told = new List<string>();
                using (var socket = new WebSocketClient(url))
                {
                    socket.Closed += told.Add;
                    socket.Connect();
                    Stage.Until(() => told.Count == 1);
                    Assert.That(told[0], Is.Not.Empty);
                }
            }
        }

        [Test]
        public void ThePlainWebSocketSpeaksTheVerbs()
        {
            using (var socket = new WebSocketClient(Host.Service().Replace("http", "ws") + "/ws?user=plain"))
            {
                var answers = new List<JsonValue>();
                socket.TextReceived += text => answers.Add(JsonValue.Parse(text));
                socket.Connect();
                socket.Send(new JsonObject { { "op", "join" }, { "ns", "/chat" }, { "ref", 1 }, { "room", "unity-ws" } }.ToString());
                Stage.Until(() => answers.Count == 1);
                Assert.That(answers[0]["ok"].AsBool(), Is.True);
                Assert.That(answers[0]["members"][0]["id"].AsString(), Is.EqualTo("plain"));
            }
        }

        [Test]
        public void AGoodbyeIsOneAndTheBackgroundIsNone()
        {
            var url = Host.OwnService("limits.presence_grace_s=60").Replace("http", "ws") + "/ws?user=";
            var join = new JsonObject { { "op", "join" }, { "ns", "/chat" }, { "ref", 1 }, { "room", "unity-goodbye" } }.ToString();
            var told = new List<string>();
            using (var stays = new WebSocketClient(url + "stays"))
            using (var breaks = new WebSocketClient(url + "breaks"))
            using (var leaves = new WebSocketClient(url + "leaves"))
            {
                stays.TextReceived += text => told.Add(JsonValue.Parse(text)["action"].AsString("joined") + JsonValue.Parse(text)["member"]["id"].AsString());
                foreach (var socket in new[] { stays, breaks, leaves })
                {
                    var before = told.Count;
                    socket.Connect();
                    socket.Send(join);
                    Stage.Until(() => told.Count > before);
                }
                breaks.Suspend();
                leaves.Close();
                Stage.Until(() => told.Contains("leaveleaves"));
                Assert.That(told, Has.No.Member("leavebreaks")); // it may be back soon
            }
        }

        [Test]
        public void WhatIsDueIsDoneInOrderOfTime()
        {
            var clock = 0L;
            var schedule = new Schedule(() => clock, () => clock);
            var done = new List<string>();
            schedule.After(20, () => done.Add("20"));
            schedule.After(10, () => schedule.After(5, () => done.Add("10+5")));
            var cancelled = schedule.After(12, () => done.Add("cancelled"));
            cancelled.Cancel();
            for (var i = 0; i < 1000; i++) schedule.After(1000000, () => done.Add("never")).Cancel();
            schedule.Run();
            Assert.That(done, Is.Empty);
            clock = 15;
            schedule.Run();
            clock = 30;
            schedule.Run();
            Assert.That(done, Is.EqualTo(new[] { "20", "10+5" }).Or.EqualTo(new[] { "10+5", "20" }));
        }

        [Test]
        public void WhatTheDeviceSleptCountsAsTime()
        {
            long monotonic = 0, wall = 1000;
            var schedule = new Schedule(() => monotonic, () => wall);
            var done = 0;
            schedule.After(240000, () => done++);
            monotonic += 1000; // an hour asleep, of which phones count a second
            wall += 3600000;
            schedule.Wake();
            schedule.Run();
            Assert.That(done, Is.EqualTo(1));
            schedule.After(10000, () => done++);
            wall -= 3600000; // the clock is set back: no time went by
            schedule.Run();
            monotonic += 9000;
            wall += 9000;
            schedule.Run();
            Assert.That(done, Is.EqualTo(1));
        }
    }
}
