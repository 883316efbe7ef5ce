namespace Llama.Model.Layers;

/// <summary>A backend that is loaded from a folder when a device of it is asked for; see <see cref="Devices"/>.</summary>
public interface IDevicePlugin
{
    /// <summary>Whether this machine has a device of the backend beside its processor. Loads nothing.</summary>
    bool HasOwnDevice { get; }

    /// <summary>Opens a device.</summary>
    /// <param name="name">As the backend names it: <c>cpu</c>, <c>cuda:0</c>.</param>
    /// <param name="threads">Compute threads on the processor, at least 1.</param>
    /// <param name="folder">The folder that the backend was loaded from.</param>
    /// <param name="warn">Called with what the user should know, one sentence each.</param>
    /// <exception cref="IOException">The device cannot be used; the message says what to do.</exception>
    IDevice Open(string name, int threads, string folder, Action<string> warn);
}
