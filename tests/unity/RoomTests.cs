using System.Collections.Generic;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>Entering, publishing and leaving.</summary>
    public sealed class RoomTests
    {
        [Test]
        public void PublicationsKeepTheirOrderWhenTheServiceRefusesSomeOfThemForAWhile()
        {
            var url = Host.OwnService("limits.publishes_per_s=2", "limits.publish_burst=10");
            using (var alice = new Player(url, "alice", "fast").Enters())
            using (var bob = new Player(url, "bob", "fast").Enters())
            {
                var said = 0;
                var refused = 0.0;
                while (refused == 0 && said < 160)
                {
                    Stage.Await(Task.WhenAll(alice.Say(said, said + 16))); // more than it may at once, unless that takes seconds
                    said += 16;
                    refused = Host.Ask("metric", "rt_refused_total too_many_requests").AsDouble();
                }
                Stage.Equal(() => bob.Data, Stage.Numbers(0, said));
                Assert.That(refused, Is.GreaterThan(0));
            }
        }

        [Test]
        public void ARefusedPublishIsToldAndThoseBehindItGoOn()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-refused"))
            {
                var bad = alice.Room.PublishAsync("no/way", 1);
                var large = alice.Room.PublishAsync("say", new string('x', 70000));
                var huge = alice.Room.PublishAsync("say", new byte[1100000]); // would end the connection
                var parts = new JsonArray();
                for (var i = 0; i < 65; i++) parts.Add(new byte[1]);
                var many = alice.Room.PublishAsync("say", parts); // likewise
                var nan = alice.Room.PublishAsync("say", double.NaN);
                var loop = new JsonArray();
                loop.Add(loop);
                var circle = alice.Room.PublishAsync("say", loop);
                var good = alice.Room.PublishAsync("say", 2);
                Assert.That(Stage.Refused(bad).Code, Is.EqualTo("invalid_event"));
                Assert.That(Stage.Refused(large).Code, Is.EqualTo("too_large"));
                Assert.That(Stage.Refused(huge).Code, Is.EqualTo("too_large"));
                Assert.That(Stage.Refused(many).Code, Is.EqualTo("too_large"));
                Assert.That(Stage.Refused(nan).Code, Is.EqualTo("invalid_data"));
                Assert.That(Stage.Refused(circle).Code, Is.EqualTo("invalid_data"));
                Assert.That(Stage.Await(good).Offset, Is.EqualTo(1));
                Assert.That(alice.Client.Counters.Connections, Is.EqualTo(1));
            }
        }

        [Test]
        public void APublishPastItsDeadlineIsRefusedAndNotSentLater()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-late").Enters())
            {
                alice.Client.Close();
                var late = alice.Room.PublishAsync("say", "late", new PublishOptions { DeadlineMs = 100 });
                var patient = alice.Room.PublishAsync("say", "patient");
                Assert.That(Stage.Refused(late).ToString(), Is.EqualTo("timeout: not sent in time"));
                var never = alice.Room.PublishAsync("say", 1, new PublishOptions { DeadlineMs = 1000000 });
                Assert.That(Stage.Refused(never).Code, Is.EqualTo("bad_request"));
                alice.Client.Connect();
                Assert.That(Stage.Await(patient).Offset, Is.EqualTo(1));
                Stage.Equal(() => alice.Data, new JsonValue[] { "patient" });
            }
        }

        [Test]
        public void APublishThatIsSentAndNotAnsweredSaysThatItMayHaveArrived()
        {
            using (var client = new RtClient(Host.Scripted("joins_only")))
            {
                var room = client.Namespace("/chat").Join("lobby");
                client.Connect();
                Stage.Await(room.WhenJoined());
                var sent = room.PublishAsync("say", 1, new PublishOptions { DeadlineMs = 200 });
                Assert.That(Stage.Refused(sent).ToString(), Is.EqualTo("timeout: not answered in time; it may have arrived"));
            }
        }

        [Test]
        public void WhatWaitsIsBoundedAndWhatIsVolatileDoesNotWait()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-bounded").Enters())
            {
                var options = new PublishOptions { Class = PublicationClass.Volatile };
                Assert.That(Stage.Await(alice.Room.PublishAsync("cursor", 1, options)).Offset, Is.Null);
                Stage.Equal(() => alice.Data, Stage.Numbers(1, 2));
                Assert.That(alice.Room.Position.Value.Offset, Is.EqualTo(0));
                alice.Client.Close();
                Assert.That(Stage.Refused(alice.Room.PublishAsync("cursor", 2, options)).Code, Is.EqualTo("unavailable"));
                var waiting = alice.Say(0, 1000);
                Assert.That(Stage.Refused(alice.Room.PublishAsync("say", 1000)).ToString(), Is.EqualTo("too_many_requests: 1000 wait to be published"));
                alice.Room.Leave();
                foreach (var one in waiting) Assert.That(Stage.Refused(one).Code, Is.EqualTo("not_member"));
            }
        }

        [Test]
        public void OnlyTheNewestOfAKeyIsThereForWhoComesLater()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "alice", "unity-latest").Enters())
            {
                foreach (var n in new[] { 1, 2, 3 })
                    Stage.Await(alice.Room.PublishAsync("at", n, new PublishOptions { Class = PublicationClass.Latest, Key = "alice" }));
                Stage.Await(alice.Room.PublishAsync("score", 7, new PublishOptions { Key = "score" })); // kept, and newest
                using (var bob = new Player(url, "bob", "unity-latest").Enters())
                {
                    var latest = new Dictionary<string, long>();
                    foreach (var one in bob.Joined[0].Latest) latest[one.Key] = one.Data.AsLong();
                    Assert.That(latest, Is.EqualTo(new Dictionary<string, long> { { "alice", 3 }, { "score", 7 } }));
                    var history = Stage.Await(bob.Room.HistoryAsync());
                    Assert.That(history.Publications.Count, Is.EqualTo(1));
                }
            }
        }

        [Test]
        public void HistoryIsReadForwardAndBackwardInPieces()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-history").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 5)));
                var first = Stage.Await(alice.Room.HistoryAsync(null, 3));
                Assert.That(Of(first), Is.EqualTo(Stage.Numbers(0, 3)));
                Assert.That(first.More, Is.True);
                var rest = Stage.Await(alice.Room.HistoryAsync(new Position(first.Position.Epoch, 3)));
                Assert.That(Of(rest), Is.EqualTo(Stage.Numbers(3, 5)));
                Assert.That(rest.More, Is.False);
                Assert.That(Of(Stage.Await(alice.Room.HistoryAsync(null, 2, true))), Is.EqualTo(new JsonValue[] { 4, 3 }));
            }
        }

        [Test]
        public void ARoomThatIsRefusedIsToldAndWhatIsPublishedThereIsRefused()
        {
            using (var alice = new Player(Host.Service(), "alice", "no/room"))
            {
                Assert.That(Stage.Refused(alice.Room.PublishAsync("say", 1)).Code, Is.EqualTo("invalid_room"));
                Assert.That(Stage.Refused(alice.Room.PublishAsync("say", 2)).Code, Is.EqualTo("invalid_room"));
                Assert.That(Stage.Refused(alice.Room.WhenJoined()).Code, Is.EqualTo("invalid_room"));
                Assert.That(alice.Errors.Count, Is.EqualTo(1));
            }
        }

        [Test]
        public void AClientThatLeftHearsNothingMoreAndMayEnterAgain()
        {
            var url = Host.Service();
            using (var alice = new Player(url, "alice", "unity-leave").Enters())
            using (var bob = new Player(url, "bob", "unity-leave").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 1)));
                Stage.Until(() => bob.Data.Count == 1);
                bob.Room.Leave();
                Stage.Until(() => alice.Presence.Contains("leave user:bob"));
                Stage.Await(Task.WhenAll(alice.Say(1, 2)));
                var again = new List<JsonValue>();
                var room = bob.Namespace.Join("unity-leave");
                Assert.That(room, Is.Not.SameAs(bob.Room));
                Assert.That(bob.Namespace.Join("unity-leave"), Is.SameAs(room));
                room.PublicationReceived += said => again.Add(said.Data);
                Stage.Await(room.WhenJoined());
                Stage.Await(Task.WhenAll(alice.Say(2, 3)));
                Stage.Equal(() => again, Stage.Numbers(2, 3));
                Assert.That(bob.Data, Is.EqualTo(Stage.Numbers(0, 1)));
            }
        }

        [Test]
        public void AHandlerThatLeavesWhileItIsToldWhatItMissedIsToldNoMore()
        {
            using (var alice = new Player(Host.Service(), "alice", "unity-leaves").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 10)));
                using (var client = new RtClient(Host.Service()))
                {
                    var told = 0;
                    var room = client.Namespace("/chat").Join("unity-leaves", new Position(alice.Room.Position.Value.Epoch, 2));
                    room.PublicationReceived += said =>
                    {
                        if (++told == 3) room.Leave();
                    };
                    client.Connect();
                    Stage.Until(() => room.State == RoomState.Left);
                    for (var i = 0; i < 20; i++) Stage.Frame();
                    Assert.That(told, Is.EqualTo(3));
                }
            }
        }

        [Test]
        public void WhatComesBeforeTheAnswerToARepeatedJoinIsToldOnceAndInOrder()
        {
            using (var client = new RtClient(Host.Scripted("pushes_while_joining")))
            {
                var told = new List<JsonValue>();
                var room = client.Namespace("/chat").Join("lobby", new Position("e", 1));
                room.PublicationReceived += said => told.Add(said.Data);
                client.Connect();
                Stage.Equal(() => told, Stage.Numbers(2, 7));
            }
        }

        private static List<JsonValue> Of(HistoryPage page)
        {
            var data = new List<JsonValue>();
            foreach (var one in page.Publications) data.Add(one.Data);
            return data;
        }
    }
}
