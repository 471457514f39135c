using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>Connecting, asking and being asked.</summary>
    public sealed class ClientTests
    {
        [Test]
        public void OneConnectionServesSeveralNamespaces()
        {
            using (var client = new RtClient(Host.Service(), new RtOptions { User = "alice" }))
            {
                var chat = client.Namespace("/chat");
                var game = client.Namespace("/game");
                Stage.Await(client.ConnectAsync());
                Assert.That(chat.IsConnected && game.IsConnected, Is.True);
                var iot = client.Namespace("/iot"); // asked for later
                Stage.Await(iot.WhenConnected());
                Assert.That(client.Counters.Connections, Is.EqualTo(1));
                Assert.That(client.Namespace("/chat"), Is.SameAs(chat));
                Assert.That(Stage.Await(game.AskAsync("ping"))["at"].AsLong(), Is.GreaterThan(1700000000000));
            }
        }

        [Test]
        public void WhatIsPublishedIsHeardByEveryMember()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "alice", "unity-heard").Enters())
            using (var bob = new Player(url, "bob", "unity-heard").Enters())
            {
                Publication heard = null;
                bob.Room.On("say", said => heard = said);
                bob.Room.On("other", said => Assert.Fail("another event"));
                var published = Stage.Await(alice.Room.PublishAsync("say", new JsonObject { { "text", "hi €" }, { "n", 1.5 } }));
                Stage.Until(() => heard != null && alice.Data.Count == 1);
                Assert.That(heard.Data["text"].AsString(), Is.EqualTo("hi €"));
                Assert.That(heard.Data["n"].AsDouble(), Is.EqualTo(1.5));
                Assert.That(heard.From.ToString(), Is.EqualTo("user:alice"));
                Assert.That(heard.Room, Is.EqualTo("unity-heard"));
                Assert.That(heard.Id, Is.EqualTo(published.Id));
                Assert.That(new[] { heard.Offset, published.Offset }, Is.All.EqualTo(1));
                Assert.That(Math.Abs((DateTime.UtcNow - heard.At).TotalMinutes), Is.LessThan(1));
                Assert.That(bob.Room.Position.Value.Offset, Is.EqualTo(1));
            }
        }

        [Test]
        public void ASubscriptionThatIsDisposedHearsNoMore()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-disposed").Enters())
            {
                var heard = new List<long>();
                var subscription = alice.Room.On("say", said => heard.Add(said.Data.AsLong()));
                Stage.Await(Task.WhenAll(alice.Say(0, 1)));
                subscription.Dispose();
                subscription.Dispose();
                Stage.Await(Task.WhenAll(alice.Say(1, 2)));
                Stage.Until(() => alice.Data.Count == 2);
                Assert.That(heard, Is.EqualTo(new[] { 0L }));
            }
        }

        [Test]
        public void BinaryGoesBothWays()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "alice", "unity-binary").Enters())
            using (var bob = new Player(url, "bob", "unity-binary").Enters())
            {
                var large = new byte[20000];
                new Random(3).NextBytes(large);
                JsonValue data = new JsonObject { { "a", large }, { "b", new JsonArray { new byte[0], "between", new byte[] { 1, 255 } } } };
                Stage.Await(alice.Room.PublishAsync("say", data));
                Stage.Equal(() => bob.Data, new[] { data });
                var history = Stage.Await(bob.Room.HistoryAsync()); // an answer with binary
                Assert.That(history.Publications[0].Data, Is.EqualTo(data));
                bob.Namespace.OnCall("reverse", call => Reversed(call.Data.AsBytes()));
                Assert.That(Stage.Await(alice.Namespace.CallAsync("user:bob", "reverse", new byte[] { 1, 2, 3 })).AsBytes(), Is.EqualTo(new byte[] { 3, 2, 1 }));
            }
        }

        [Test]
        public void CallsAreAnsweredAtOnceOrLaterOrRefused()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "caller", "unity-calls").Enters())
            using (var bob = new Player(url, "callee", "unity-calls").Enters())
            {
                var later = new TaskCompletionSource<JsonValue>();
                bob.Namespace.OnCall("double", call => call.Data.AsLong() * 2);
                bob.Namespace.OnCall("who", call => call.From.ToString());
                bob.Namespace.OnCallAsync("later", call => later.Task);
                bob.Namespace.OnCall("refuse", call => { throw new RtException("conflict", "not now"); });
                bob.Namespace.OnCall("break", call => { throw new InvalidOperationException("a bug"); });
                bob.Namespace.OnCall("nan", call => double.NaN);
                Assert.That(Stage.Await(alice.Namespace.CallAsync("user:callee", "double", 21)).AsLong(), Is.EqualTo(42));
                Assert.That(Stage.Await(alice.Namespace.CallAsync("user:callee", "who", JsonValue.Null)).AsString(), Is.EqualTo("user:caller"));
                var asked = alice.Namespace.CallAsync("user:callee", "later", 1);
                Task.Run(() => later.SetResult("from another thread"));
                Assert.That(Stage.Await(asked).AsString(), Is.EqualTo("from another thread"));
                Assert.That(Refusal(alice, "refuse"), Is.StringMatching("^conflict: .*not now$"));
                Assert.That(Refusal(alice, "break"), Is.StringMatching("^internal: .*break failed$"));
                Assert.That(Refusal(alice, "nan"), Is.StringMatching("^invalid_data: .*NaN"));
                Assert.That(Refusal(alice, "unknown"), Is.StringMatching("^not_found: .*there is no method unknown$"));
                Assert.That(bob.Client.Counters.HandlerExceptions, Is.EqualTo(2));
            }
        }

        [Test]
        public void ACallbackNeedsNoAwait()
        {
            using (var alice = new Player(Host.Service(), "callback", "unity-callback").Enters())
            {
                var told = new List<string>();
                alice.Room.Publish("say", 1, null, (error, published) => told.Add("published " + published.Offset));
                Stage.Until(() => told.Count == 1);
                alice.Room.Publish("no/way", 1, null, (error, published) => told.Add(error.Code));
                alice.Room.Presence((error, members) => told.Add("members " + members.Count));
                alice.Room.History((error, page) => told.Add("history " + page.Publications.Count + page.More), null, 1);
                alice.Namespace.Call("user:nobody", "x", 1, (error, answer) => told.Add(error.Code));
                alice.Namespace.Send("user:callback", "note", "me", (error, delivered) => told.Add("delivered " + delivered));
                var expected = new[] { "published 1", "invalid_event", "members 1", "history 1False", "not_online", "delivered 1" };
                Stage.Until(() => told.Count == expected.Length);
                Assert.That(told, Is.EquivalentTo(expected));
            }
        }

        [Test]
        public void WhatIsSentToOneAloneIsHeardByThatOne()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "sender", "unity-sent").Enters())
            using (var bob = new Player(url, "receiver", "unity-sent").Enters())
            {
                var heard = new List<Publication>();
                bob.Namespace.On("note", heard.Add);
                Assert.That(Stage.Await(alice.Namespace.SendAsync("user:receiver", "note", "psst")), Is.EqualTo(1));
                Stage.Until(() => heard.Count == 1);
                Assert.That(heard[0].Data.AsString(), Is.EqualTo("psst"));
                Assert.That(heard[0].Room, Is.Null);
                Assert.That(Stage.Refused(alice.Namespace.SendAsync("user:nobody", "note", 1)).Code, Is.EqualTo("not_online"));
            }
        }

        [Test]
        public void PresenceIsToldAndAsked()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "alice", "unity-presence").Enters())
            {
                using (var bob = new Player(url, "bob", "unity-presence", options: new RtOptions { Info = new JsonObject { { "color", "red" } } }).Enters())
                {
                    Assert.That(bob.Joined[0].Members.Count, Is.EqualTo(2));
                    var members = Stage.Await(alice.Room.PresenceAsync());
                    Assert.That(new List<Member>(members).Find(one => one.Id == "bob").Info["color"].AsString(), Is.EqualTo("red"));
                }
                Stage.Equal(() => alice.Presence, new[] { "join user:bob", "leave user:bob" }); // it said goodbye: at once
            }
        }

        [Test]
        public void AnAnswerThatDoesNotComeIsNotWaitedFor()
        {
            using (var client = new RtClient(Host.Scripted("never_answers")))
            {
                var chat = client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                var error = Stage.Refused(chat.AskAsync("ping", null, 150));
                Assert.That(error.ToString(), Is.EqualTo("timeout: no answer in 150 ms"));
                Assert.That(client.State, Is.EqualTo(ConnectionState.Open));
            }
        }

        [Test]
        public void WhoClosesSaysGoodbyeInEachNamespace()
        {
            using (var client = new RtClient(Host.Scripted("good")))
            {
                client.Namespace("/chat");
                Stage.Await(client.ConnectAsync());
                client.Close();
                Stage.Until(() => Host.Ask("heard")[1].AsString() == "41/chat,");
            }
        }

        [Test]
        public void AClosedClientAsksNothingAndMayConnectAgain()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-closed").Enters())
            {
                alice.Client.Close();
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
                Assert.That(Stage.Refused(alice.Namespace.AskAsync("ping")).Code, Is.EqualTo("unavailable"));
                for (var i = 0; i < 50; i++) Stage.Frame();
                Assert.That(alice.Client.State, Is.EqualTo(ConnectionState.Closed));
                alice.Client.Connect();
                alice.Enters(2);
                Assert.That(alice.Joined[1].Recovered, Is.True);
            }
        }

        private static JsonValue Reversed(byte[] bytes)
        {
            Array.Reverse(bytes);
            return bytes;
        }

        private static string Refusal(Player caller, string method)
        {
            return Stage.Refused(caller.Namespace.CallAsync("user:callee", method, JsonValue.Null)).ToString();
        }
    }
}
