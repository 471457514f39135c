using UnityEngine;
using UnityEngine.UI;

namespace RtService.Samples
{
    /// <summary>
    /// A chat: everybody in the room sees every line once and in order, also after a lost connection. Add it to an empty
    /// object and press Play; a field that is left empty in the inspector is made.
    /// </summary>
    public sealed class ChatSample : MonoBehaviour
    {
        public string url = "http://127.0.0.1:5000";
        public string room = "lobby";

        [Tooltip("who you are; empty: somebody")]
        public string user = "";

        public InputField input;
        public Button button;
        public Text output;

        private RtClient _client;
        private RtRoom _room;

        private void Start()
        {
            SampleUi.Make(ref input, ref button, ref output, "hi");
            button.onClick.AddListener(Say);
            if (user.Length == 0) user = "player-" + System.Guid.NewGuid().ToString("N").Substring(0, 5);
            _client = new RtClient(url, new RtOptions { User = user });
            _client.StateChanged += state => SampleUi.AddLine(output, state.ToString().ToLowerInvariant());
            _room = _client.Namespace("/chat").Join(room);
            _room.Joined += OnJoined;
            _room.On("say", said => SampleUi.AddLine(output, said.From.Id + ": " + said.Data["text"].AsString()));
            _room.PresenceChanged += change => SampleUi.AddLine(output, change.Member.Id + " " + change.Action + "s");
            _room.Failed += error => SampleUi.AddLine(output, "refused: " + error);
            _client.Connect();
        }

        private void OnDestroy()
        {
            if (_client != null) _client.Dispose();
        }

        private void OnJoined(RoomJoined joined)
        {
            SampleUi.AddLine(output, "in " + room + " as " + user + " with " + (joined.Members.Count - 1) + " others");
            if (!joined.Recovered) SampleUi.AddLine(output, "(too much was missed)");
        }

        private void Say()
        {
            _room.Publish("say", new JsonObject { { "text", input.text } }); // kept until it is answered
            input.text = "";
        }
    }
}
