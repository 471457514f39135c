using System;
using System.Collections.Generic;

namespace RtService.Tests
{
    /// <summary>A client in a room, with what it was told in lists.</summary>
    public sealed class Player : IDisposable
    {
        public readonly List<JsonValue> Data = new List<JsonValue>();
        public readonly List<RoomJoined> Joined = new List<RoomJoined>();
        public readonly List<string> Presence = new List<string>();
        public readonly List<RtException> Errors = new List<RtException>();
        public readonly List<RtException> ClientErrors = new List<RtException>();
        public readonly RtClient Client;
        public readonly RtNamespace Namespace;
        public readonly RtRoom Room;

        /// <summary><paramref name="user"/> null is somebody anonymous.</summary>
        public Player(string url, string user, string room, string name = "/chat", Position? since = null, RtOptions options = null)
        {
            options = options ?? new RtOptions();
            options.User = user;
            Client = new RtClient(url, options);
            Client.Failed += ClientErrors.Add;
            Namespace = Client.Namespace(name);
            Room = Namespace.Join(room, since);
            Room.PublicationReceived += publication => Data.Add(publication.Data);
            Room.Joined += Joined.Add;
            Room.PresenceChanged += change => Presence.Add(change.Action + " " + change.Member);
            Room.Failed += Errors.Add;
            Client.Connect();
        }

        public void Dispose()
        {
            Client.Dispose();
        }

        /// <summary>Wait until it has entered so many times.</summary>
        public Player Enters(int times = 1)
        {
            Stage.Until(() => Joined.Count >= times, "entering for the time " + times);
            return this;
        }

        /// <summary>Publish, each as soon as may be; not waiting.</summary>
        public List<System.Threading.Tasks.Task<Published>> Say(int from, int to)
        {
            var all = new List<System.Threading.Tasks.Task<Published>>();
            for (var n = from; n < to; n++) all.Add(Room.PublishAsync("say", n));
            return all;
        }
    }
}
