// What of Unity's user interface the samples use.
using System.Collections.Generic;

namespace UnityEngine.Events
{
    public delegate void UnityAction();

    public class UnityEvent
    {
        private readonly List<UnityAction> _listeners = new List<UnityAction>();

        public void AddListener(UnityAction call)
        {
            _listeners.Add(call);
        }

        public void Invoke()
        {
            foreach (var call in _listeners) call();
        }
    }
}

namespace UnityEngine.EventSystems
{
    public class EventSystem : MonoBehaviour
    {
        public static EventSystem current { get; private set; }

        private void OnEnable()
        {
            current = this;
        }
    }

    public class StandaloneInputModule : MonoBehaviour
    {
    }
}

namespace UnityEngine.UI
{
    using UnityEngine.Events;

    public class CanvasScaler : MonoBehaviour
    {
    }

    public class GraphicRaycaster : MonoBehaviour
    {
    }

    public class Text : MonoBehaviour
    {
        public string text { get; set; }
    }

    public class InputField : MonoBehaviour
    {
        public string text { get; set; }
    }

    public class Button : MonoBehaviour
    {
        public readonly UnityEvent onClick = new UnityEvent();
    }

    public static class DefaultControls
    {
        public struct Resources
        {
        }

        public static GameObject CreateInputField(Resources resources)
        {
            return new GameObject("InputField", typeof(InputField));
        }

        public static GameObject CreateButton(Resources resources)
        {
            return new GameObject("Button", typeof(Button), typeof(Text));
        }

        public static GameObject CreateText(Resources resources)
        {
            return new GameObject("Text", typeof(Text));
        }
    }
}
