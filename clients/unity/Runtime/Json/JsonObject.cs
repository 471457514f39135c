using System;
using System.Collections;
using System.Collections.Generic;

namespace RtService
{
    /// <summary>A JSON object, in the order of its fields: <c>new JsonObject { { "x", 1 }, { "y", 2 } }</c>.</summary>
    public sealed class JsonObject : IEnumerable<KeyValuePair<string, JsonValue>>
    {
        private const int SearchedMost = 8; // up to so many fields looking through them is quicker than an index

        private readonly List<KeyValuePair<string, JsonValue>> _fields = new List<KeyValuePair<string, JsonValue>>();
        private Dictionary<string, int> _index;

        /// <summary>How many fields there are.</summary>
        public int Count { get { return _fields.Count; } }

        /// <summary>A field; null where there is none. Setting adds it or replaces what it was.</summary>
        public JsonValue this[string name]
        {
            get
            {
                var at = Find(name);
                return at < 0 ? JsonValue.Null : _fields[at].Value;
            }
            set
            {
                var at = Find(name);
                if (at >= 0) _fields[at] = new KeyValuePair<string, JsonValue>(name, value);
                else Append(name, value);
            }
        }

        /// <summary>Whether there is such a field, be it null.</summary>
        public bool Contains(string name)
        {
            return Find(name) >= 0;
        }

        /// <summary>Add a field.</summary>
        /// <exception cref="ArgumentException">There is one of that name.</exception>
        public void Add(string name, JsonValue value)
        {
            if (Contains(name)) throw new ArgumentException("there is a field " + name + " already", "name");
            Append(name, value);
        }

        /// <summary>The field at a place, for walking through without allocating.</summary>
        public KeyValuePair<string, JsonValue> At(int index)
        {
            return _fields[index];
        }

        /// <summary>Walks through the fields in their order.</summary>
        public List<KeyValuePair<string, JsonValue>>.Enumerator GetEnumerator()
        {
            return _fields.GetEnumerator();
        }

        IEnumerator<KeyValuePair<string, JsonValue>> IEnumerable<KeyValuePair<string, JsonValue>>.GetEnumerator()
        {
            return _fields.GetEnumerator();
        }

        IEnumerator IEnumerable.GetEnumerator()
        {
            return _fields.GetEnumerator();
        }

        /// <summary>As JSON.</summary>
        public override string ToString()
        {
            return ((JsonValue)this).ToString();
        }

        internal bool SameAs(JsonObject other)
        {
            if (Count != other.Count) return false;
            foreach (var field in _fields)
                if (!other.Contains(field.Key) || !other[field.Key].Equals(field.Value)) return false;
            return true;
        }

        private int Find(string name)
        {
            if (name == null) throw new ArgumentNullException("name");
            if (_index != null)
            {
                int at;
                return _index.TryGetValue(name, out at) ? at : -1;
            }
            for (var i = 0; i < _fields.Count; i++)
                if (_fields[i].Key == name) return i;
            return -1;
        }

        private void Append(string name, JsonValue value)
        {
            _fields.Add(new KeyValuePair<string, JsonValue>(name, value));
            if (_index != null) _index.Add(name, _fields.Count - 1);
            else if (_fields.Count > SearchedMost) MakeIndex();
        }

        private void MakeIndex()
        {
            _index = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < _fields.Count; i++) _index.Add(_fields[i].Key, i);
        }
    }
}
