using System.Collections.Generic;

namespace RtService
{
    /// <summary>The answer to entering a room, the first time or again.</summary>
    public sealed class RoomJoined
    {
        internal RoomJoined(JsonValue answer, bool first)
        {
            First = first;
            Recovered = first || answer["recovered"].AsBool();
            Position = Position.From(answer);
            Latest = Publication.All(answer["latest"]);
            Members = Member.All(answer["members"]);
        }

        /// <summary>There was none before.</summary>
        public bool First { get; private set; }

        /// <summary>Unless this is true, something may be missing since the last publication.</summary>
        public bool Recovered { get; private set; }

        /// <summary>Where the room was when it was entered.</summary>
        public Position Position { get; private set; }

        /// <summary>The newest publication of each key.</summary>
        public IReadOnlyList<Publication> Latest { get; private set; }

        /// <summary>Who is there; at most <c>limits.presence_members</c>.</summary>
        public IReadOnlyList<Member> Members { get; private set; }
    }
}
