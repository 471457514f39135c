using UnityEngine;

namespace RtService.Samples
{
    /// <summary>
    /// Moves its object to where an MQTT device says. Add it to a cube and press Play, then let the device speak:
    /// <c>mosquitto_pub -t devices/cube-1/telemetry -m '{"x":2,"y":1,"z":0}'</c>.
    /// </summary>
    public sealed class CubeSample : MonoBehaviour
    {
        private const float Speed = 8; // how much of the way in a second

        public string url = "http://127.0.0.1:5000";
        public string device = "cube-1";

        private RtClient _client;
        private Vector3 _target;

        private void Start()
        {
            _target = transform.position;
            _client = new RtClient(url);
            var room = _client.Namespace("/iot").Join("device:" + device);
            room.On("telemetry", told => GoTo(told.Data));
            room.Joined += joined =>
            {
                foreach (var newest in joined.Latest) // where it was before we came
                    if (newest.Event == "telemetry") GoTo(newest.Data);
            };
            _client.Connect();
        }

        private void Update()
        {
            transform.position = Vector3.Lerp(transform.position, _target, Speed * Time.deltaTime);
        }

        private void OnDestroy()
        {
            if (_client != null) _client.Dispose();
        }

        /// <summary>A coordinate that is not told stays.</summary>
        private void GoTo(JsonValue data)
        {
            _target = new Vector3(data["x"].AsFloat(_target.x), data["y"].AsFloat(_target.y), data["z"].AsFloat(_target.z));
        }
    }
}
