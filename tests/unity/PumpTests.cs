using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>What happens in a frame, whatever the application or the service does.</summary>
    public sealed class PumpTests
    {
        [Test]
        public void AHandlerThatThrowsKeepsNothingFromTheOthersNorTheNextOnes()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-throws"))
            {
                var before = new List<JsonValue>();
                alice.Room.On("say", said => { throw new InvalidOperationException("no " + said.Data); });
                alice.Room.On("say", said => before.Add(said.Data));
                alice.Room.Joined += joined => { throw new InvalidOperationException("no joined"); };
                alice.Namespace.Connected += one => { throw new InvalidOperationException("no connected"); };
                alice.Client.StateChanged += state => { throw new InvalidOperationException("no state"); };
                Stage.Await(Task.WhenAll(alice.Say(0, 3)));
                alice.Room.Publish("say", 3, null, (error, published) => { throw new InvalidOperationException("no callback"); });
                Stage.Equal(() => before, Stage.Numbers(0, 4));
                Stage.Equal(() => alice.Data, Stage.Numbers(0, 4));
                Stage.Until(() => UnityStub.Engine.Logged.Contains("exception: InvalidOperationException: no callback"));
                foreach (var what in new[] { "0", "1", "2", "3", "joined", "connected", "state" })
                    Assert.That(UnityStub.Engine.Logged, Has.Member("exception: InvalidOperationException: no " + what));
                Assert.That(alice.Client.Counters.HandlerExceptions, Is.EqualTo(UnityStub.Engine.Logged.Count));
                Assert.That(alice.Client.Counters.Connections, Is.EqualTo(1));
            }
        }

        [Test]
        public void EverythingHappensOnTheMainThread()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-thread"))
            {
                var threads = new HashSet<int>();
                Action note = () => threads.Add(Thread.CurrentThread.ManagedThreadId);
                alice.Client.StateChanged += state => note();
                alice.Room.Joined += joined => note();
                alice.Room.PublicationReceived += said => note();
                alice.Namespace.OnCall("note", call =>
                {
                    note();
                    return 1;
                });
                alice.Room.Publish("say", 1, null, (error, published) => note());
                Func<Task> awaiting = async () =>
                {
                    await alice.Room.PublishAsync("say", 2);
                    note();
                    await alice.Namespace.CallAsync("user:alice", "note", 1);
                    note();
                };
                Stage.Await(awaiting());
                Assert.That(threads, Is.EqualTo(new[] { Thread.CurrentThread.ManagedThreadId }));
                var elsewhere = Assert.Throws<InvalidOperationException>(() => Stage.Await(Task.Run(() => alice.Room.Publish("say", 3))));
                Assert.That(elsewhere.Message, Is.StringContaining("MainThreadDispatcher.Post"));
                Assert.Throws<InvalidOperationException>(() => Stage.Await(Task.Run(() => new RtClient(Host.Service()))));
            }
        }

        [Test]
        public void AFrameTakesNoMoreThanItsShareHoweverMuchWasMissed()
        {
            using (var alice = new Player(Host.OwnService("limits.publish_burst=1000"), "alice", "much").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 200)));
                using (var client = new RtClient(Host.Ask("own").AsString()))
                {
                    var told = new List<JsonValue>();
                    var longest = 0L;
                    var room = client.Namespace("/chat").Join("much", new Position(alice.Room.Position.Value.Epoch, 0));
                    room.PublicationReceived += said =>
                    {
                        Thread.Sleep(1);
                        told.Add(said.Data);
                    };
                    client.Connect();
                    var frames = 0;
                    while (told.Count < 200)
                    {
                        var before = told.Count;
                        client.Pump(4);
                        if (told.Count == before) continue;
                        frames++;
                        longest = Math.Max(longest, told.Count - before);
                    }
                    Assert.That(told, Is.EqualTo(Stage.Numbers(0, 200)));
                    Assert.That(longest, Is.LessThanOrEqualTo(5)); // of 1 ms each, in a share of 4
                    Assert.That(frames, Is.GreaterThanOrEqualTo(40));
                }
            }
        }

        [Test]
        public void AFrameInWhichNothingComesAllocatesNothing()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-idle").Enters())
            {
                for (var i = 0; i < 100; i++) alice.Client.Pump(4);
                GC.Collect();
                var before = GC.CollectionCount(0);
                for (var i = 0; i < 400000; i++) alice.Client.Pump(4);
                Assert.That(GC.CollectionCount(0), Is.EqualTo(before)); // as it would be after some bytes a frame
            }
        }

        [Test]
        public void AClientWhoseGameHangsStaysConnectedAndHandlesEverythingAfterwards()
        {
            var url = Host.OwnService("socketio.ping_interval_s=0.2", "socketio.ping_timeout_s=4");
            using (var alice = new Player(url, "alice", "hangs").Enters())
            {
                var asked = alice.Namespace.AskAsync("ping", null, 1000);
                Stage.Frame();
                Thread.Sleep(5000); // no frame for longer than the service and the answer wait: a scene that loads
                Assert.That(Stage.Await(asked)["ok"].AsBool(), Is.True);
                Assert.That(alice.Client.Counters.Connections, Is.EqualTo(1));
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Open));
            }
        }

        [Test]
        public void MoreThanMayWaitEndsTheConnectionAndIsCountedAndRecovered()
        {
            var url = Host.OwnService("limits.publish_burst=1000", "limits.presence_grace_s=0");
            var options = new RtOptions { InboundBytes = 10000 };
            using (var alice = new Player(url, "alice", "full").Enters())
            using (var bob = new Player(url, "bob", "full", options: options).Enters())
            {
                var all = new List<Task<Published>>();
                for (var n = 0; n < 300; n++) all.Add(alice.Room.PublishAsync("say", n));
                while (!all.TrueForAll(one => one.IsCompleted)) alice.Client.Pump(4); // bob's game hangs
                while (!alice.Presence.Contains("leave user:bob")) alice.Client.Pump(4); // and on, until it was too much
                Stage.Until(() => bob.Data.Count == 300);
                Assert.That(bob.Data, Is.EqualTo(Stage.Numbers(0, 300)));
                Assert.That(bob.Client.Counters.InboundFull, Is.EqualTo(1));
                Assert.That(bob.Client.LastEnd, Is.EqualTo("inbound_full: more than 10000 bytes wait to be received"));
            }
        }

        [Test]
        public void AServiceThatTalksWithoutEndFillsNoMemory()
        {
            using (var client = new RtClient(Host.Scripted("floods"), new RtOptions { InboundBytes = 500000 }))
            {
                client.Namespace("/chat").Join("lobby").PublicationReceived += said => Thread.Sleep(20); // slower than it comes
                client.Connect();
                Stage.Until(() => client.Counters.InboundFull == 1);
                Stage.Await(client.Namespace("/chat").WhenConnected());
            }
        }

        [Test]
        public void ANetworkThatTakesNothingEndsTheConnectionAndIsCounted()
        {
            using (var client = new RtClient(Host.Scripted("never_reads"), new RtOptions { OutboundBytes = 300000 }))
            {
                var chat = client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                var refused = 0;
                JsonValue large = new JsonObject { { "x", new string('x', 50000) } };
                while (client.Counters.OutboundFull == 0)
                {
                    chat.Ask("say", large.AsObject(), (error, answer) => refused++);
                    Stage.Frame();
                    Assert.That(refused, Is.LessThan(10000));
                }
                Stage.Await(chat.WhenConnected());
                Assert.That(refused, Is.GreaterThan(5));
                Assert.That(client.LastEnd, Is.StringStarting("outbound_full: "));
            }
        }

        [Test]
        public void WhatIsVolatileIsDroppedFirstWhenTheNetworkIsSlow()
        {
            using (var client = new RtClient(Host.Scripted("joins_then_never_reads"), new RtOptions { OutboundBytes = 300000 }))
            {
                var room = client.Namespace("/chat").Join("lobby");
                client.Connect();
                Stage.Await(room.WhenJoined());
                RtException dropped = null;
                while (dropped == null)
                {
                    room.Publish("at", new string('x', 10000), new PublishOptions { Class = PublicationClass.Volatile }, (error, published) => dropped = error);
                    Stage.Frame();
                }
                Assert.That(dropped.ToString(), Is.EqualTo("unavailable: too much waits to be sent"));
                Assert.That(client.State, Is.EqualTo(ConnectionState.Open));
            }
        }

        [Test]
        public void NonsenseFromAServiceEndsTheConnectionAndNothingElse()
        {
            var url = Host.Scripted("nonsense");
            var clients = new List<RtClient>();
            for (var i = Host.Ask("nonsense").AsInt(); i > 0; i--) clients.Add(new RtClient(url, new RtOptions { User = (i - 1).ToString() }));
            foreach (var client in clients)
            {
                client.Namespace("/chat");
                client.Connect();
            }
            foreach (var client in clients)
            {
                var chat = client.Namespace("/chat");
                Stage.Until(() => client.Counters.Violations == 1 && chat.IsConnected);
                Assert.That(client.LastEnd, Is.StringStarting("violation: "));
                Assert.That(Stage.Await(chat.AskAsync("ping"))["ok"].AsBool(), Is.True);
                client.Dispose();
            }
            Assert.That(UnityStub.Engine.Logged, Is.Empty);
        }

        [Test]
        public void WhatMeansNothingDisturbsNothing()
        {
            using (var client = new RtClient(Host.Scripted("harmless")))
            {
                var chat = client.Namespace("/chat");
                chat.Join("lobby");
                Stage.Await(client.ConnectAsync());
                Assert.That(Stage.Await(chat.AskAsync("ping"))["ok"].AsBool(), Is.True);
                Assert.That(client.Counters.Connections, Is.EqualTo(1));
                Assert.That(UnityStub.Engine.Logged, Is.Empty);
            }
        }

        [Test]
        public void AServiceThatFallsSilentIsLeftAndLookedForAgain()
        {
            using (var client = new RtClient(Host.Scripted("mute")))
            {
                client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                Assert.That(client.Counters.Silent, Is.EqualTo(1));
            }
        }

        [Test]
        public void AHandlerMayCloseDisposeAndConnectAgain()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-reenters").Enters())
            {
                alice.Room.On("stop", said => alice.Client.Close());
                alice.Room.On("again", said =>
                {
                    alice.Client.Close();
                    alice.Client.Connect();
                });
                alice.Room.Publish("again", 1);
                alice.Enters(2);
                alice.Room.Publish("stop", 1);
                Stage.Until(() => alice.Client.State == ConnectionState.Closed);
                Assert.That(UnityStub.Engine.Logged, Is.Empty);
            }
        }
    }
}
