using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>Being refused, for a while or for good, and letting oneself in.</summary>
    public sealed class RefusalTests
    {
        [Test]
        public void ANamespaceThatDoesNotExistIsRefusedAndTheOthersAreNot()
        {
            using (var client = new RtClient(Host.Service()))
            {
                var told = new List<string>();
                client.Failed += error => told.Add(error.Code);
                var nowhere = client.Namespace("/nowhere");
                var room = nowhere.Join("lobby");
                var chat = client.Namespace("/chat");
                client.Connect();
                Assert.That(Stage.Refused(nowhere.WhenConnected()).Code, Is.EqualTo("not_found"));
                Assert.That(Stage.Refused(room.WhenJoined()).Code, Is.EqualTo("not_found"));
                Stage.Await(chat.WhenConnected());
                Assert.That(told, Is.EqualTo(new[] { "not_found" }));
                Assert.That(nowhere.Refusal.Message, Is.StringContaining("/nowhere"));
                Assert.That(Stage.Await(chat.AskAsync("ping"))["ok"].AsBool(), Is.True);
                Assert.That(client.Counters.Connections, Is.EqualTo(1));
            }
        }

        [Test]
        public void AClientThatIsRefusedEverywhereDoesNotComeBackByItself()
        {
            using (var client = new RtClient(Host.Service()))
            {
                client.Failed += error => { };
                var nowhere = client.Namespace("/nowhere");
                client.Connect();
                Stage.Until(() => nowhere.Refusal != null && client.State == ConnectionState.Closed);
                client.Connect(); // asked to, it tries again
                Assert.That(client.State, Is.EqualTo(ConnectionState.Connecting));
                Stage.Until(() => nowhere.Refusal != null && client.State == ConnectionState.Closed);
                Assert.That(client.Counters.Connections, Is.EqualTo(2));
            }
        }

        [Test]
        public void WhatNobodyIsToldIsWrittenToTheConsole()
        {
            using (var client = new RtClient(Host.Service()))
            {
                var room = client.Namespace("/chat").Join("no/room");
                client.Connect();
                Stage.Until(() => room.State == RoomState.Refused);
                room.Publish("say", 1);
                client.Namespace("/chat").Send("user:nobody", "note", 1);
                Stage.Until(() => UnityStub.Engine.Logged.Count == 3);
                Assert.That(UnityStub.Engine.Logged[0], Is.StringStarting("warning: rt-service: invalid_room: "));
                Assert.That(UnityStub.Engine.Logged[1], Is.StringStarting("warning: rt-service: invalid_room: "));
                Assert.That(UnityStub.Engine.Logged[2], Is.StringStarting("warning: rt-service: not_online: "));
            }
        }

        [Test]
        public void AnAddressOrANamespaceThatIsNoneIsNamed()
        {
            foreach (var url in new[] { "", "127.0.0.1:5000", "ftp://x", "nonsense" })
                Assert.That(Assert.Throws<ArgumentException>(() => new RtClient(url)).Message, Is.StringContaining("http://127.0.0.1:5000"));
            Assert.That(new RtClient("https://example.org/rt/").Url, Is.EqualTo("wss://example.org/rt/?EIO=4&transport=websocket"));
            using (var client = new RtClient("http://127.0.0.1:1"))
            {
                Assert.That(client.Url, Is.EqualTo("ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket"));
                foreach (var name in new[] { null, "", "chat", "/a,b", "/a b", "/é", "/a?b" })
                    Assert.That(Assert.Throws<ArgumentException>(() => client.Namespace(name)).Message, Is.StringContaining("/chat"));
                Assert.Throws<InvalidOperationException>(() => client.ConnectAsync());
            }
        }

        [Test]
        public void TheAuthCallbackIsAskedAtEachConnect()
        {
            var url = Host.OwnService();
            var asked = 0;
            Func<string, Task<JsonObject>> auth = async name =>
            {
                await Task.Delay(10);
                return new JsonObject { { "user", "visit-" + ++asked } };
            };
            using (var client = new RtClient(url, new RtOptions { Auth = auth }))
            {
                var room = client.Namespace("/chat").Join("unity-auth");
                var from = new List<string>();
                room.PublicationReceived += said => from.Add(said.From.Id);
                client.Connect();
                Stage.Await(room.PublishAsync("say", 1));
                Host.Ask("stop");
                Host.Ask("start");
                Stage.Await(room.PublishAsync("say", 2));
                Stage.Equal(() => from, new[] { "visit-1", "visit-2" });
            }
        }

        [Test]
        public void AnAuthCallbackThatFailsIsAskedAgainUnlessItMeansNo()
        {
            using (var client = new RtClient(Host.Service(), new RtOptions { Auth = FailsTwice() }))
            {
                client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                Assert.That(UnityStub.Engine.Logged, Is.EqualTo(new[] { "exception: InvalidOperationException: no network", "exception: InvalidOperationException: no network" }));
            }
            var no = new RtOptions { Auth = name => { throw new RtException("unauthorized", "log in first"); } };
            using (var client = new RtClient(Host.Service(), no))
            {
                client.Failed += error => { };
                client.Namespace("/chat");
                Assert.That(Stage.Refused(client.ConnectAsync()).ToString(), Is.EqualTo("unauthorized: log in first"));
            }
        }

        [Test]
        public void ATokenThatExpiredIsAskedForAgain()
        {
            var tokens = 0;
            var options = new RtOptions { Auth = name => Task.FromResult(new JsonObject { { "token", "token-" + ++tokens } }) };
            using (var client = new RtClient(Host.Scripted("expires"), options))
            {
                var chat = client.Namespace("/chat");
                var lost = new List<string>();
                chat.Disconnected += lost.Add;
                client.Connect();
                Stage.Until(() => lost.Count == 1 && chat.IsConnected);
                Assert.That(Stage.Await(chat.AskAsync("ping"))["ok"].AsBool(), Is.True);
                var heard = Host.Ask("heard");
                Assert.That(heard[0].AsString(), Is.EqualTo("40/chat,{\"token\":\"token-1\"}"));
                Assert.That(heard[1].AsString(), Is.EqualTo("40/chat,{\"token\":\"token-2\"}"));
            }
        }

        [Test]
        public void AnIdentityWithTooManySessionsIsToldAndStaysAway()
        {
            var url = Host.OwnService("limits.sessions_per_identity=1");
            using (var first = new Player(url, "alice", "unity-many").Enters())
            using (var second = new Player(url, "alice", "unity-many"))
            {
                var closings = new List<RtClosing>();
                second.Namespace.Closing += closings.Add;
                Stage.Until(() => second.ClientErrors.Count == 1);
                Assert.That(closings.Count, Is.EqualTo(1));
                Assert.That(closings[0].Reconnect, Is.False);
                Assert.That(second.ClientErrors[0].Code, Is.EqualTo("too_many_requests"));
                Stage.Until(() => second.Client.State == ConnectionState.Closed);
                Assert.That(first.Namespace.IsConnected, Is.True);
            }
        }

        [Test]
        public void ARefusalForAWhileIsTriedAgain()
        {
            using (var client = new RtClient(Host.Scripted("refused_for_a_while")))
            {
                var told = new List<RtException>();
                client.Failed += told.Add;
                client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                Assert.That(told, Is.Empty);
                Assert.That(client.Counters.Connections, Is.EqualTo(1));
            }
        }

        [Test]
        public void WhoDoesNotAnswerInTimeIsLeftAndAskedAgain()
        {
            var asked = 0;
            Func<string, Task<JsonObject>> never = name => asked++ == 0 ? new TaskCompletionSource<JsonObject>().Task : null;
            using (var service = new RtClient(Host.Scripted("never_lets_in")))
            using (var login = new RtClient(Host.Service(), new RtOptions { Auth = never }))
            {
                service.Namespace("/chat");
                login.Namespace("/chat");
                Stage.Await(Task.WhenAll(service.ConnectAsync(), login.ConnectAsync()));
                Assert.That(service.LastEnd, Is.EqualTo("silent: the service did not answer in time"));
                Assert.That(login.Counters.Connections, Is.EqualTo(2));
            }
        }

        [Test]
        public void WhoWaitsForAClientThatIsClosedIsToldSo()
        {
            using (var client = new RtClient("http://127.0.0.1:1"))
            {
                var room = client.Namespace("/chat").Join("lobby");
                var all = new[] { client.ConnectAsync(), room.WhenJoined(), client.Namespace("/game").WhenConnected() };
                client.Close();
                foreach (var one in all) Assert.That(Stage.Refused(one).ToString(), Is.EqualTo("unavailable: the client was closed"));
            }
        }

        private static Func<string, Task<JsonObject>> FailsTwice()
        {
            var asked = 0;
            return async name =>
            {
                await Task.Yield();
                if (++asked <= 2) throw new InvalidOperationException("no network");
                return null;
            };
        }
    }
}
