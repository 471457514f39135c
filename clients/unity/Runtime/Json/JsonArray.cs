using System.Collections;
using System.Collections.Generic;

namespace RtService
{
    /// <summary>A JSON array: <c>new JsonArray { 1, "two", true }</c>.</summary>
    public sealed class JsonArray : IEnumerable<JsonValue>
    {
        private readonly List<JsonValue> _values = new List<JsonValue>();

        /// <summary>How many there are.</summary>
        public int Count { get { return _values.Count; } }

        /// <summary>One of them; unlike <see cref="JsonValue"/>'s, this throws where there is none.</summary>
        public JsonValue this[int index]
        {
            get { return _values[index]; }
            set { _values[index] = value; }
        }

        /// <summary>Add one at the end.</summary>
        public void Add(JsonValue value)
        {
            _values.Add(value);
        }

        /// <summary>Walks through the elements.</summary>
        public List<JsonValue>.Enumerator GetEnumerator()
        {
            return _values.GetEnumerator();
        }

        IEnumerator<JsonValue> IEnumerable<JsonValue>.GetEnumerator()
        {
            return _values.GetEnumerator();
        }

        IEnumerator IEnumerable.GetEnumerator()
        {
            return _values.GetEnumerator();
        }

        /// <summary>As JSON.</summary>
        public override string ToString()
        {
            return ((JsonValue)this).ToString();
        }

        internal bool SameAs(JsonArray other)
        {
            if (Count != other.Count) return false;
            for (var i = 0; i < Count; i++)
                if (!_values[i].Equals(other._values[i])) return false;
            return true;
        }
    }
}
