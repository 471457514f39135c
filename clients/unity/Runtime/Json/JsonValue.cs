using System;

namespace RtService
{
    /// <summary>What a <see cref="JsonValue"/> is. <c>Bytes</c> is binary, which Socket.IO carries beside the JSON.</summary>
    public enum JsonKind : byte
    {
        /// <summary>null, or nothing there</summary>
        Null,

        /// <summary>false</summary>
        False,

        /// <summary>true</summary>
        True,

        /// <summary>a whole number that fits into 64 bits</summary>
        Integer,

        /// <summary>any other number</summary>
        Number,

        /// <summary>text</summary>
        String,

        /// <summary>binary</summary>
        Bytes,

        /// <summary>an array</summary>
        Array,

        /// <summary>an object</summary>
        Object
    }

    /// <summary>
    /// Any value that can be published: null, bool, number, string, bytes, <see cref="JsonArray"/> or
    /// <see cref="JsonObject"/>. C# values turn into one by themselves, and reading never throws: what is not there, or
    /// is something else, is <see cref="Null"/> or the default that was asked for.
    /// </summary>
    /// <example><code>
    /// JsonValue data = new JsonObject { { "text", "hi" }, { "at", new JsonArray { 1, 2.5f } } };
    /// string text = data["text"].AsString();
    /// float y = data["at"][1].AsFloat();
    /// </code></example>
    public readonly struct JsonValue : IEquatable<JsonValue>
    {
        private static readonly object Single = new object(); // marks a number that came from a float

        private readonly object _reference;
        private readonly long _bits; // the integer, or the bits of the double
        private readonly JsonKind _kind;

        private JsonValue(JsonKind kind, long bits, object reference)
        {
            _kind = kind;
            _bits = bits;
            _reference = reference;
        }

        /// <summary>The JSON null; also what <c>default</c> is.</summary>
        public static JsonValue Null { get { return default(JsonValue); } }

        /// <summary>What it is.</summary>
        public JsonKind Kind { get { return _kind; } }

        /// <summary>Whether it is null, or was not there.</summary>
        public bool IsNull { get { return _kind == JsonKind.Null; } }

        /// <summary>Whether it is a number, whole or not.</summary>
        public bool IsNumber { get { return _kind == JsonKind.Integer || _kind == JsonKind.Number; } }

        internal bool IsSingle { get { return ReferenceEquals(_reference, Single); } }

        /// <summary>The field of an object, or null.</summary>
        public JsonValue this[string name]
        {
            get { return _kind == JsonKind.Object ? ((JsonObject)_reference)[name] : Null; }
        }

        /// <summary>The element of an array, or null.</summary>
        public JsonValue this[int index]
        {
            get
            {
                var array = AsArray();
                return array != null && index >= 0 && index < array.Count ? array[index] : Null;
            }
        }

        /// <summary>How many elements an array, or fields an object, has.</summary>
        public int Count
        {
            get
            {
                if (_kind == JsonKind.Array) return ((JsonArray)_reference).Count;
                return _kind == JsonKind.Object ? ((JsonObject)_reference).Count : 0;
            }
        }

        /// <summary>The text, or <paramref name="otherwise"/>.</summary>
        public string AsString(string otherwise = null)
        {
            return _kind == JsonKind.String ? (string)_reference : otherwise;
        }

        /// <summary>The number as a whole one, cut towards zero; <paramref name="otherwise"/> if it does not fit.</summary>
        public long AsLong(long otherwise = 0)
        {
            if (_kind == JsonKind.Integer) return _bits;
            if (_kind != JsonKind.Number) return otherwise;
            var number = BitConverter.Int64BitsToDouble(_bits);
            return number >= -9223372036854775808.0 && number < 9223372036854775808.0 ? (long)number : otherwise;
        }

        /// <summary>As <see cref="AsLong"/>, for an int.</summary>
        public int AsInt(int otherwise = 0)
        {
            var number = AsLong(otherwise);
            return number >= int.MinValue && number <= int.MaxValue ? (int)number : otherwise;
        }

        /// <summary>The number, or <paramref name="otherwise"/>.</summary>
        public double AsDouble(double otherwise = 0)
        {
            if (_kind == JsonKind.Integer) return _bits;
            return _kind == JsonKind.Number ? BitConverter.Int64BitsToDouble(_bits) : otherwise;
        }

        /// <summary>The number, or <paramref name="otherwise"/>.</summary>
        public float AsFloat(float otherwise = 0)
        {
            var number = (float)AsDouble(otherwise);
            return float.IsInfinity(number) ? otherwise : number;
        }

        /// <summary>Whether it is true, or <paramref name="otherwise"/> if it is neither true nor false.</summary>
        public bool AsBool(bool otherwise = false)
        {
            return _kind == JsonKind.True || (_kind != JsonKind.False && otherwise);
        }

        /// <summary>
        /// The binary value, or null. It is not copied. Past ten in what is sent at once, the service writes the further ones as
        /// <c>{"$base64": "…"}</c>, which is read here too.
        /// </summary>
        public byte[] AsBytes()
        {
            if (_kind == JsonKind.Bytes) return (byte[])_reference;
            var text = this["$base64"].AsString();
            if (string.IsNullOrEmpty(text)) return text == null ? null : new byte[0];
            try
            {
                return Convert.FromBase64String(text);
            }
            catch (FormatException)
            {
                return null; // somebody's own
            }
        }

        /// <summary>The array, or null.</summary>
        public JsonArray AsArray()
        {
            return _kind == JsonKind.Array ? (JsonArray)_reference : null;
        }

        /// <summary>The object, or null.</summary>
        public JsonObject AsObject()
        {
            return _kind == JsonKind.Object ? (JsonObject)_reference : null;
        }

        /// <summary>Read JSON (RFC 8259), strictly.</summary>
        /// <exception cref="JsonException">It is not JSON.</exception>
        public static JsonValue Parse(string json)
        {
            return new JsonReader().Read(json);
        }

        /// <summary>As JSON; what is binary stands as <c>{"$base64": "…"}</c>.</summary>
        /// <exception cref="JsonException">It holds NaN or an infinity, or is nested too deep.</exception>
        public override string ToString()
        {
            var buffer = new Utf8Buffer();
            new JsonWriter(buffer).Write(this);
            return buffer.ToString();
        }

        /// <summary>True or false.</summary>
        public static implicit operator JsonValue(bool value)
        {
            return new JsonValue(value ? JsonKind.True : JsonKind.False, 0, null);
        }

        /// <summary>A whole number.</summary>
        public static implicit operator JsonValue(int value)
        {
            return new JsonValue(JsonKind.Integer, value, null);
        }

        /// <summary>A whole number.</summary>
        public static implicit operator JsonValue(long value)
        {
            return new JsonValue(JsonKind.Integer, value, null);
        }

        /// <summary>A whole number. Without this one C# would take it for a float, and lose digits.</summary>
        /// <exception cref="OverflowException">It is larger than a long may be; send it as text.</exception>
        public static implicit operator JsonValue(ulong value)
        {
            if (value > long.MaxValue) throw new OverflowException(value + " is larger than a number may be here; send it as text");
            return (long)value;
        }

        /// <summary>A number.</summary>
        public static implicit operator JsonValue(double value)
        {
            return new JsonValue(JsonKind.Number, BitConverter.DoubleToInt64Bits(value), null);
        }

        /// <summary>Written with the digits of a float: 0.1f is 0.1, not 0.10000000149011612.</summary>
        public static implicit operator JsonValue(float value)
        {
            return new JsonValue(JsonKind.Number, BitConverter.DoubleToInt64Bits(value), Single);
        }

        /// <summary>Text, or null.</summary>
        public static implicit operator JsonValue(string value)
        {
            return value == null ? Null : new JsonValue(JsonKind.String, 0, value);
        }

        /// <summary>Binary, or null; it is not copied.</summary>
        public static implicit operator JsonValue(byte[] value)
        {
            return value == null ? Null : new JsonValue(JsonKind.Bytes, 0, value);
        }

        /// <summary>An array, or null.</summary>
        public static implicit operator JsonValue(JsonArray value)
        {
            return value == null ? Null : new JsonValue(JsonKind.Array, 0, value);
        }

        /// <summary>An object, or null.</summary>
        public static implicit operator JsonValue(JsonObject value)
        {
            return value == null ? Null : new JsonValue(JsonKind.Object, 0, value);
        }

        /// <summary>Whether both say the same; numbers by their value, objects whatever their order.</summary>
        public bool Equals(JsonValue other)
        {
            if (IsNumber || other.IsNumber) return IsNumber && other.IsNumber && SameNumber(other);
            if (_kind != other._kind) return false;
            switch (_kind)
            {
                case JsonKind.String: return (string)_reference == (string)other._reference;
                case JsonKind.Bytes: return SameBytes((byte[])_reference, (byte[])other._reference);
                case JsonKind.Array: return ((JsonArray)_reference).SameAs((JsonArray)other._reference);
                case JsonKind.Object: return ((JsonObject)_reference).SameAs((JsonObject)other._reference);
                default: return true;
            }
        }

        /// <inheritdoc />
        public override bool Equals(object other)
        {
            return other is JsonValue && Equals((JsonValue)other);
        }

        /// <inheritdoc />
        public override int GetHashCode()
        {
            if (IsNumber) return AsDouble().GetHashCode();
            return _kind == JsonKind.String ? _reference.GetHashCode() : (int)_kind * 397 + Count;
        }

        private bool SameNumber(JsonValue other)
        {
            var whole = _kind == JsonKind.Integer && other._kind == JsonKind.Integer;
            return whole ? _bits == other._bits : AsDouble().Equals(other.AsDouble());
        }

        private static bool SameBytes(byte[] one, byte[] other)
        {
            if (one.Length != other.Length) return false;
            for (var i = 0; i < one.Length; i++)
                if (one[i] != other[i]) return false;
            return true;
        }
    }
}
