using System;
using System.Text;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>What a connection makes of its transport, and the transport of a network.</summary>
    public sealed class TransportTests
    {
        [Test]
        public void WhatWentByBeforeAConnectionWasMadeIsNoSilence()
        {
            var connection = new Connection(new Told(), "ws://here", 1000, 1000);
            connection.Wait(3600000); // since the frame before the application went to the background
            Assert.That(connection.Ended, Is.Null);
            connection.Wait(15000);
            Assert.That(connection.Ended, Is.Null);
            connection.Wait(1);
            Assert.That(connection.Ended, Is.EqualTo("silent"));
        }

        [Test]
        public void WhatComesLastIsReadAlthoughItIsClosedThen()
        {
            var transport = new Told();
            var connection = new Connection(transport, "ws://here", 1000, 1000);
            transport.Last = "42/chat,[\"closing\",{\"code\":\"kicked\",\"reconnect\":false}]";
            Packet packet;
            var read = connection.Read(out packet);
            if (!read && connection.Ended == null) read = connection.Read(out packet);
            Assert.That(read, Is.True);
            Assert.That(packet.Namespace, Is.EqualTo("/chat"));
            Assert.That(connection.Read(out packet), Is.False);
            Assert.That(connection.Ended, Is.EqualTo("closed"));
        }

        [Test]
        public void ANetworkThatTakesNothingDoesNotHoldAGoodbyeUpForEver()
        {
            var transport = new ClientWebSocketTransport();
            var options = new TransportOptions { OutboundBytes = 64 * 1024 * 1024 };
            transport.Open(Host.Scripted("never_reads").Replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", options);
            Stage.Until(() => transport.State == TransportState.Open);
            for (var i = 0; i < 30; i++) transport.Send(new Frame(new byte[1024 * 1024], true));
            transport.Close();
            Assert.That(transport.State, Is.EqualTo(TransportState.Open)); // what waits is to be sent, if it can be
            Stage.Until(() => transport.State == TransportState.Closed);
            Assert.That(transport.End, Is.EqualTo(TransportEnd.Here));
            Assert.That(transport.WaitingBytes, Is.EqualTo(0));
        }

        /// <summary>Says one thing more as it closes, after it was asked and had nothing.</summary>
        private sealed class Told : ITransport
        {
            public string Last;

            public TransportState State { get; private set; }

            public TransportEnd End { get { return TransportEnd.There; } }

            public string Detail { get { return "by the test"; } }

            public int WaitingBytes { get { return 0; } }

            public void Open(string url, TransportOptions options)
            {
                State = TransportState.Open;
            }

            public bool TryReceive(out Frame frame)
            {
                frame = new Frame(Encoding.UTF8.GetBytes(Last ?? ""), true);
                if (Last == null) return false;
                if (State == TransportState.Open)
                {
                    State = TransportState.Closed;
                    return false;
                }
                Last = null;
                return true;
            }

            public void Send(Frame frame)
            {
            }

            public void Close()
            {
            }

            public void Abort()
            {
            }

            public void Dispose()
            {
            }
        }
    }
}
