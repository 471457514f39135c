using System.Collections.Generic;
using System.Threading.Tasks;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>Nothing lost and nothing twice, whatever breaks.</summary>
    public sealed class RecoveryTests
    {
        [Test]
        public void WhoWasAwayIsToldWhatItMissedOnceAndInOrder()
        {
            var url = Host.OwnService();
            using (var alice = new Player(url, "alice", "away").Enters())
            using (var bob = new Player(Host.Ask("proxy").AsString(), "bob", "away").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 3)));
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 3));
                Host.Ask("cut");
                Stage.Until(() => bob.Client.State == ConnectionState.Waiting);
                Stage.Await(Task.WhenAll(alice.Say(3, 10)));
                var more = alice.Say(10, 40); // while it comes back
                Host.Ask("mend");
                Stage.Await(Task.WhenAll(more));
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 40));
                bob.Enters(2);
                Assert.That(bob.Joined[0].First && !bob.Joined[1].First && bob.Joined[1].Recovered, Is.True);
                Assert.That(bob.Room.Position.Value.Offset, Is.EqualTo(40));
                Assert.That(alice.Data, Is.EqualTo(Stage.Numbers(0, 40)), "the one who publishes sees its own, once too");
                Assert.That(bob.Errors, Is.Empty);
                Assert.That(bob.Client.Counters.Lost, Is.GreaterThan(0));
            }
        }

        [Test]
        public void WhatIsPublishedWhileTheServiceIsKilledArrivesOnceAndInOrder()
        {
            KillThrice("alice");
        }

        [Test]
        public void WhatAnAnonymousClientPublishesWhileTheServiceIsKilledArrivesOnceAndInOrder()
        {
            KillThrice(null);
        }

        [Test]
        public void AServiceThatRestartsSaysSoAndIsCaughtUpWith()
        {
            var url = Host.OwnService();
            using (var alice = new Player(url, "alice", "restart").Enters())
            using (var bob = new Player(url, "bob", "restart").Enters())
            {
                var closings = new List<RtClosing>();
                bob.Namespace.Closing += closings.Add;
                Stage.Await(Task.WhenAll(alice.Say(0, 5)));
                Assert.That(Host.Ask("stop").AsInt(), Is.EqualTo(0));
                var late = alice.Say(5, 8);
                Host.Ask("start");
                Stage.Await(Task.WhenAll(late));
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 8));
                Assert.That(closings.Count, Is.EqualTo(1));
                Assert.That(closings[0].Error.Code, Is.EqualTo("shutdown"));
                Assert.That(closings[0].Reconnect, Is.True);
                Assert.That(closings[0].Error.RetryAfterMs, Is.GreaterThanOrEqualTo(500));
                Assert.That(bob.ClientErrors, Is.Empty);
                Assert.That(UnityStub.Engine.Logged, Is.Empty);
            }
        }

        [Test]
        public void ARoomInMemoryStartsAgainWithTheServiceAndGoesOnFromThere()
        {
            var url = Host.OwnService();
            using (var alice = new Player(url, "alice", "match", "/game").Enters())
            using (var bob = new Player(url, "bob", "match", "/game").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 3)));
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 3));
                Host.Ask("stop");
                var answer = alice.Room.PublishAsync("say", 3);
                Host.Ask("start");
                alice.Enters(2);
                bob.Enters(2);
                Assert.That(bob.Joined[1].Recovered, Is.False);
                Assert.That(Stage.Await(answer).Offset, Is.EqualTo(1));
                Stage.Await(alice.Room.PublishAsync("say", 4));
                Stage.Until(() => bob.Data[bob.Data.Count - 1].AsLong() == 4);
                Assert.That(bob.Data.GetRange(0, 3), Is.EqualTo(Stage.Numbers(0, 3)));
            }
        }

        [Test]
        public void RecoveredFalseIsToldWhenTheHistoryIsTooShort()
        {
            var url = Host.OwnService("history.publications=50");
            using (var alice = new Player(url, "alice", "short").Enters())
            using (var bob = new Player(Host.Ask("proxy").AsString(), "bob", "short").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 1)));
                Stage.Await(alice.Room.PublishAsync("topic", "rooms", new PublishOptions { Class = PublicationClass.Latest, Key = "topic" }));
                Stage.Until(() => bob.Data.Count == 2);
                Host.Ask("cut");
                Stage.Await(Task.WhenAll(alice.Say(1, 60)));
                Host.Ask("mend");
                bob.Enters(2);
                Assert.That(bob.Joined[1].Recovered, Is.False);
                Assert.That(bob.Joined[1].Position.Offset, Is.EqualTo(60));
                Assert.That(bob.Joined[1].Latest.Count, Is.EqualTo(1));
                Assert.That(bob.Joined[1].Latest[0].Key + bob.Joined[1].Latest[0].Data, Is.EqualTo("topic\"rooms\""));
                Stage.Await(Task.WhenAll(alice.Say(60, 61)));
                Stage.Equal(() => bob.Data, new JsonValue[] { 0, "rooms", 60 });
            }
        }

        [Test]
        public void APositionOfAnEarlierVisitIsWhereTheNextOneGoesOn()
        {
            var url = Host.Service();
            Position since;
            using (var alice = new Player(url, "alice", "unity-visit").Enters())
            {
                Stage.Await(Task.WhenAll(alice.Say(0, 2)));
                Stage.Until(() => alice.Data.Count == 2);
                since = alice.Room.Position.Value;
                Stage.Await(Task.WhenAll(alice.Say(2, 5)));
            }
            using (var later = new Player(url, "bob", "unity-visit", since: since).Enters())
            {
                Stage.Equal(() => later.Data, Stage.Numbers(2, 5));
                Assert.That(later.Joined[0].Recovered, Is.True);
            }
            using (var stranger = new Player(url, "carol", "unity-visit", since: new Position("another", 3)).Enters())
                Assert.That(stranger.Joined[0].Recovered, Is.False);
        }

        [Test]
        public void APublicationWhoseAnswerIsLostIsSentAgainAndThereOnce()
        {
            var direct = Host.OwnService();
            using (var alice = new Player(Host.Ask("proxy").AsString(), "alice", "lost").Enters())
            using (var bob = new Player(direct, "bob", "lost").Enters())
            {
                for (var n = 0; n < 5; n++)
                {
                    var answer = alice.Room.PublishAsync("say", n);
                    Stage.Frame();
                    Host.Ask("cut"); // it is on its way, perhaps
                    Host.Ask("mend");
                    Assert.That(Stage.Await(answer).Offset, Is.EqualTo(n + 1));
                }
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 5));
            }
        }

        [Test]
        public void ANetworkThatIsGoneWithoutAWordIsNoticed()
        {
            Host.OwnService("socketio.ping_interval_s=0.2", "socketio.ping_timeout_s=0.4");
            using (var bob = new Player(Host.Ask("proxy").AsString(), "bob", "gone").Enters())
            {
                Host.Ask("lose");
                Stage.Until(() => bob.Client.Counters.Silent >= 1);
                Host.Ask("mend");
                bob.Enters(2);
                Assert.That(bob.Client.LastEnd, Is.StringStarting("silent: "));
            }
        }

        [Test]
        public void WhoIsInTheBackgroundIsAwayAndCatchesUpWhenItIsBack()
        {
            var url = Host.Service();
            using (var bob = new Player(url, "bob", "unity-background").Enters())
            {
                UnityStub.Engine.Pause(true);
                Assert.That(bob.Client.State, Is.EqualTo(ConnectionState.Suspended));
                var waits = bob.Room.PublishAsync("say", 0);
                for (var i = 0; i < 50; i++) Stage.Frame();
                Assert.That(bob.Client.State, Is.EqualTo(ConnectionState.Suspended));
                UnityStub.Engine.Pause(false);
                Assert.That(Stage.Await(waits).Offset, Is.EqualTo(1));
                bob.Enters(2);
                Stage.Equal(() => bob.Data, Stage.Numbers(0, 1));
            }
        }

        [Test]
        public void WhoIsInTheBackgroundForAMomentIsStillThereForTheOthers()
        {
            var url = Host.OwnService("limits.presence_grace_s=60");
            using (var alice = new Player(url, "alice", "moment").Enters())
            using (var bob = new Player(url, "bob", "moment").Enters())
            {
                bob.Client.Suspend();
                var members = Stage.Await(alice.Room.PresenceAsync());
                bob.Client.Resume();
                bob.Enters(2);
                Assert.That(members.Count, Is.EqualTo(2));
                Assert.That(alice.Presence, Has.No.Member("leave user:bob"));
            }
        }

        private static void KillThrice(string user)
        {
            var url = Host.OwnService();
            using (var alice = new Player(url, user, "killed").Enters())
            using (var bob = new Player(url, "bob", "killed").Enters())
            {
                var answers = new List<Task<Published>>();
                for (var death = 1; death <= 3; death++)
                {
                    var from = (death - 1) * 40;
                    answers.AddRange(alice.Say(from, from + 30));
                    Stage.Until(() => bob.Data.Count >= from + 10);
                    Host.Ask("kill"); // amidst them
                    answers.AddRange(alice.Say(from + 30, from + 40));
                    Host.Ask("start");
                    alice.Enters(death + 1);
                    bob.Enters(death + 1);
                    Stage.Until(() => bob.Data.Count >= from + 40, "the last after death " + death);
                }
                var offsets = new List<JsonValue>();
                foreach (var published in Stage.Await(Task.WhenAll(answers))) offsets.Add(published.Offset.Value);
                Assert.That(offsets, Is.EqualTo(Stage.Numbers(1, 121)));
                Assert.That(bob.Data, Is.EqualTo(Stage.Numbers(0, 120)));
                Assert.That(bob.Joined.TrueForAll(joined => joined.Recovered), Is.True);
            }
        }
    }
}
