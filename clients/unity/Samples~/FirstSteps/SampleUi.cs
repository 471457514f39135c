using UnityEngine;
using UnityEngine.EventSystems;
using UnityEngine.UI;

namespace RtService.Samples
{
    /// <summary>An input field, a button and a text, where the inspector names none.</summary>
    internal static class SampleUi
    {
        private const int LinesMost = 20;

        public static void Make(ref InputField input, ref Button button, ref Text output, string example)
        {
            if (input != null && button != null && output != null) return;
            var canvas = MakeCanvas();
            if (input == null)
            {
                input = Place<InputField>(canvas, DefaultControls.CreateInputField(new DefaultControls.Resources()), 0.05f, 0.88f, 0.7f, 0.95f);
                input.text = example;
            }
            if (button == null)
            {
                button = Place<Button>(canvas, DefaultControls.CreateButton(new DefaultControls.Resources()), 0.72f, 0.88f, 0.95f, 0.95f);
                button.GetComponentInChildren<Text>().text = "Send";
            }
            if (output == null)
            {
                output = Place<Text>(canvas, DefaultControls.CreateText(new DefaultControls.Resources()), 0.05f, 0.05f, 0.95f, 0.85f);
                output.text = "";
            }
        }

        /// <summary>Show one more line; the oldest go.</summary>
        public static void AddLine(Text output, string line)
        {
            if (output == null) return; // its scene is gone
            var lines = (output.text + line + "\n").Split('\n');
            var from = System.Math.Max(0, lines.Length - 1 - LinesMost);
            output.text = string.Join("\n", lines, from, lines.Length - from);
        }

        private static Transform MakeCanvas()
        {
            if (EventSystem.current == null) new GameObject("EventSystem", typeof(EventSystem), InputModule());
            var home = new GameObject("Canvas", typeof(Canvas), typeof(CanvasScaler), typeof(GraphicRaycaster));
            home.GetComponent<Canvas>().renderMode = RenderMode.ScreenSpaceOverlay;
            return home.transform;
        }

        private static System.Type InputModule()
        {
#if ENABLE_LEGACY_INPUT_MANAGER || !RT_INPUT_SYSTEM
            return typeof(StandaloneInputModule);
#else
            return typeof(UnityEngine.InputSystem.UI.InputSystemUIInputModule);
#endif
        }

        private static T Place<T>(Transform canvas, GameObject control, float left, float bottom, float right, float top) where T : class
        {
            control.transform.SetParent(canvas, false);
            var place = control.GetComponent<RectTransform>();
            place.anchorMin = new Vector2(left, bottom);
            place.anchorMax = new Vector2(right, top);
            place.offsetMin = Vector2.zero;
            place.offsetMax = Vector2.zero;
            return control.GetComponent<T>();
        }
    }
}
