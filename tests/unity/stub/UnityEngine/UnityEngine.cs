// What of UnityEngine the package uses, so that it can be compiled and run without Unity: objects with components whose
// Awake, Start, Update, … are called as Unity calls them, when UnityStub.Engine says so.
using System;
using System.Collections.Generic;
using System.Reflection;

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class DefaultExecutionOrder : Attribute
    {
        public readonly int order;

        public DefaultExecutionOrder(int order)
        {
            this.order = order;
        }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class AddComponentMenu : Attribute
    {
        public AddComponentMenu(string menu)
        {
        }
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class TooltipAttribute : Attribute
    {
        public TooltipAttribute(string tooltip)
        {
        }
    }

    public enum RuntimeInitializeLoadType
    {
        AfterSceneLoad,
        BeforeSceneLoad,
        AfterAssembliesLoaded,
        BeforeSplashScreen,
        SubsystemRegistration
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class RuntimeInitializeOnLoadMethodAttribute : Attribute
    {
        public readonly RuntimeInitializeLoadType loadType;

        public RuntimeInitializeOnLoadMethodAttribute(RuntimeInitializeLoadType loadType)
        {
            this.loadType = loadType;
        }
    }

    public static class Application
    {
        public static bool isPlaying { get; internal set; }
    }

    public static class Debug
    {
        public static void Log(object message)
        {
            UnityStub.Engine.Logged.Add("log: " + message);
        }

        public static void LogWarning(object message)
        {
            UnityStub.Engine.Logged.Add("warning: " + message);
        }

        public static void LogException(Exception error)
        {
            UnityStub.Engine.Logged.Add("exception: " + error.GetType().Name + ": " + error.Message);
        }
    }

    public class Object
    {
        public string name { get; set; }

        public static void DontDestroyOnLoad(Object kept)
        {
            if (!Application.isPlaying) throw new InvalidOperationException("DontDestroyOnLoad can only be used in play mode");
        }

        public static void Destroy(Object destroyed)
        {
            var home = destroyed as GameObject;
            if (home != null) UnityStub.Engine.Destroy(home);
        }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }

        public Transform transform { get { return gameObject.transform; } }

        public T GetComponent<T>() where T : class
        {
            return gameObject.GetComponent<T>();
        }

        public T GetComponentInChildren<T>() where T : class
        {
            return gameObject.GetComponent<T>(); // there are no children here
        }
    }

    public class Behaviour : Component
    {
        public bool enabled = true;
    }

    public class MonoBehaviour : Behaviour
    {
    }

    public struct Vector3
    {
        public float x, y, z;

        public Vector3(float x, float y, float z)
        {
            this.x = x;
            this.y = y;
            this.z = z;
        }

        public static Vector3 Lerp(Vector3 a, Vector3 b, float t)
        {
            t = Math.Max(0, Math.Min(1, t));
            return new Vector3(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, a.z + (b.z - a.z) * t);
        }
    }

    public struct Vector2
    {
        public float x, y;

        public Vector2(float x, float y)
        {
            this.x = x;
            this.y = y;
        }

        public static Vector2 zero { get { return new Vector2(); } }

        public static Vector2 one { get { return new Vector2(1, 1); } }
    }

    public class Transform : Component
    {
        public Vector3 position;

        public void SetParent(Transform parent, bool worldPositionStays)
        {
        }
    }

    public class RectTransform : Transform
    {
        public Vector2 anchorMin, anchorMax, offsetMin, offsetMax;
    }

    public static class Time
    {
        public static float deltaTime { get { return 1 / 60f; } }
    }

    public enum RenderMode
    {
        ScreenSpaceOverlay
    }

    public class Canvas : Behaviour
    {
        public RenderMode renderMode;
    }

    public class GameObject : Object
    {
        private readonly List<Component> _components = new List<Component>();

        public GameObject(string name = null, params Type[] components)
        {
            this.name = name;
            transform = new RectTransform { gameObject = this };
            foreach (var type in components) Add((Component)Activator.CreateInstance(type));
        }

        public Transform transform { get; private set; }

        public T AddComponent<T>() where T : Component, new()
        {
            return (T)Add(new T());
        }

        public T GetComponent<T>() where T : class
        {
            if (transform is T) return transform as T;
            foreach (var component in _components)
                if (component is T) return component as T;
            return null;
        }

        internal List<Component> Components { get { return _components; } }

        internal Component Add(Component component)
        {
            component.gameObject = this;
            _components.Add(component);
            if (component is MonoBehaviour) UnityStub.Engine.OnAdded((MonoBehaviour)component);
            return component;
        }
    }
}

namespace UnityStub
{
    using UnityEngine;

    /// <summary>Unity's part: begins the play mode, makes frames, and ends it.</summary>
    public static class Engine
    {
        private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public;

        private static readonly List<MonoBehaviour> Live = new List<MonoBehaviour>();
        private static readonly List<MonoBehaviour> NotStarted = new List<MonoBehaviour>();

        /// <summary>What was written to the console.</summary>
        public static readonly List<string> Logged = new List<string>();

        public static void Play(Assembly code)
        {
            Application.isPlaying = true;
            Initialize(code, RuntimeInitializeLoadType.SubsystemRegistration);
            Initialize(code, RuntimeInitializeLoadType.BeforeSceneLoad);
        }

        public static void Frame()
        {
            foreach (var one in NotStarted.ToArray()) Call(one, "Start");
            NotStarted.Clear();
            foreach (var one in Live.ToArray())
                if (one.enabled) Call(one, "Update");
        }

        public static void Pause(bool paused)
        {
            foreach (var one in Live.ToArray()) Call(one, "OnApplicationPause", paused);
        }

        /// <summary>The play mode ends; the process, as the editor's, goes on.</summary>
        public static void Stop()
        {
            foreach (var one in Live.ToArray()) Call(one, "OnApplicationQuit");
            foreach (var one in Live.ToArray()) Destroy(one.gameObject);
            Application.isPlaying = false;
        }

        /// <summary>The editor, in which nothing was played yet.</summary>
        public static void Edit()
        {
            foreach (var one in Live.ToArray()) Destroy(one.gameObject);
            Application.isPlaying = false;
        }

        internal static void OnAdded(MonoBehaviour added)
        {
            Live.Add(added);
            Live.Sort((one, other) => Order(one).CompareTo(Order(other)));
            NotStarted.Add(added);
            Call(added, "Awake");
            Call(added, "OnEnable");
        }

        internal static void Destroy(GameObject home)
        {
            foreach (var component in home.Components)
            {
                var one = component as MonoBehaviour;
                if (one == null || !Live.Remove(one)) continue;
                NotStarted.Remove(one);
                Call(one, "OnDisable");
                Call(one, "OnDestroy");
            }
        }

        private static void Initialize(Assembly code, RuntimeInitializeLoadType when)
        {
            foreach (var type in code.GetTypes())
                foreach (var method in type.GetMethods(Any | BindingFlags.DeclaredOnly))
                    foreach (RuntimeInitializeOnLoadMethodAttribute one in method.GetCustomAttributes(typeof(RuntimeInitializeOnLoadMethodAttribute), false))
                        if (one.loadType == when) method.Invoke(null, null);
        }

        private static int Order(MonoBehaviour one)
        {
            var found = one.GetType().GetCustomAttributes(typeof(DefaultExecutionOrder), true);
            return found.Length == 0 ? 0 : ((DefaultExecutionOrder)found[0]).order;
        }

        private static void Call(MonoBehaviour one, string name, params object[] arguments)
        {
            var method = one.GetType().GetMethod(name, Any);
            if (method == null) return;
            try
            {
                method.Invoke(one, arguments);
            }
            catch (TargetInvocationException error)
            {
                Debug.LogException(error.InnerException);
            }
        }
    }
}
