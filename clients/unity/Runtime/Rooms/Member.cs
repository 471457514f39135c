using System.Collections.Generic;

namespace RtService
{
    /// <summary>Who somebody is: <c>kind</c> is <c>user</c>, <c>device</c> or <c>service</c>.</summary>
    public class Identity
    {
        internal Identity(JsonValue value)
        {
            Kind = value["kind"].AsString("");
            Id = value["id"].AsString("");
        }

        /// <summary><c>user</c>, <c>device</c> or <c>service</c>.</summary>
        public string Kind { get; private set; }

        /// <summary>Its name among those of its kind.</summary>
        public string Id { get; private set; }

        /// <summary>As <c>Send</c> and <c>Call</c> take it: <c>user:alice</c>.</summary>
        public override string ToString()
        {
            return Kind + ":" + Id;
        }
    }

    /// <summary>Somebody who is in a room.</summary>
    public sealed class Member : Identity
    {
        internal Member(JsonValue value) : base(value)
        {
            Info = value["info"];
            Sessions = value["sessions"].AsInt();
        }

        /// <summary>What it said about itself when it connected; of a device, since when it is online or offline.</summary>
        public JsonValue Info { get; private set; }

        /// <summary>How many connections of it are in the room.</summary>
        public int Sessions { get; private set; }

        internal static IReadOnlyList<Member> All(JsonValue values)
        {
            var members = new List<Member>(values.Count);
            for (var i = 0; i < values.Count; i++) members.Add(new Member(values[i]));
            return members;
        }
    }

    /// <summary>Somebody came or went.</summary>
    public sealed class PresenceChange
    {
        internal PresenceChange(JsonValue value)
        {
            Room = value["room"].AsString("");
            Action = value["action"].AsString("");
            Member = new Member(value["member"]);
        }

        /// <summary>In which room.</summary>
        public string Room { get; private set; }

        /// <summary><c>join</c> or <c>leave</c>; of devices also <c>online</c> or <c>offline</c>.</summary>
        public string Action { get; private set; }

        /// <summary>Who.</summary>
        public Member Member { get; private set; }
    }
}
