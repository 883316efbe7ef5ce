using System.Reflection;
using System.Runtime.Loader;

namespace Llama.Model.Layers;

/// <summary>
/// Opens devices by name: the processor with the kernels of this assembly, or a device of the Torch backend. That one is a plug-in in a folder
/// of its own, so that a program has no part of libtorch unless it is asked for.
/// </summary>
public static class Devices
{
    /// <summary>Names that <see cref="Open"/> knows, as a regular expression.</summary>
    public const string NamePattern = "cpu|auto|(torch:cpu|cuda:[0-9]{1,2})(:same-steps)?";

    /// <summary>The names, for a message.</summary>
    public const string Names = "cpu, torch:cpu, a GPU like cuda:0, either also with :same-steps, or auto";

    private const string Processor = "cpu";
    private const string Automatic = "auto";
    private const string TorchPrefix = "torch:";
    private const string FirstGpu = "cuda:0";
    private const string PluginName = "Llama.Torch";

    /// <summary>Where the Torch backend is looked for when nobody says where it is.</summary>
    public static string DefaultFolder => Path.Combine(AppContext.BaseDirectory, "torch");

    /// <summary>Opens a device.</summary>
    /// <param name="name">
    /// <c>cpu</c>; <c>torch:cpu</c> or <c>cuda:N</c> of the Torch backend, with <c>:same-steps</c> behind it for its second profile; <c>auto</c> for the first GPU where the backend's folder and a GPU are there,
    /// else <c>cpu</c>.
    /// </param>
    /// <param name="folder">The folder of the Torch backend; null for <see cref="DefaultFolder"/>.</param>
    /// <param name="threads">Compute threads, at least 1.</param>
    /// <param name="cores">Cores that the threads of <c>cpu</c> are pinned to; null to pin none.</param>
    /// <param name="warn">Called with what the user should know, one sentence each.</param>
    /// <exception cref="IOException">It cannot be used; the message says what to do.</exception>
    public static IDevice Open(string name, string? folder, int threads, IReadOnlyList<int>? cores, Action<string> warn)
    {
        folder = Path.GetFullPath(folder ?? DefaultFolder);
        if (name == Automatic)
        {
            name = File.Exists(PluginPath(folder)) && LoadPlugin(folder).HasOwnDevice ? FirstGpu : Processor;
        }

        if (name == Processor) return new CpuDevice(threads, cores);
        return LoadPlugin(folder).Open(name.StartsWith(TorchPrefix, StringComparison.Ordinal) ? name[TorchPrefix.Length..] : name, threads, folder, warn);
    }

    private static string PluginPath(string folder) => Path.Combine(folder, $"{PluginName}.dll");

    private static IDevicePlugin LoadPlugin(string folder)
    {
        string path = PluginPath(folder);
        if (!File.Exists(path))
        {
            throw new IOException(
                $"{folder} has no {PluginName}.dll: publish src/{PluginName} into it with -p:TorchDevice=cuda or cpu, or say with --torch where it is.");
        }

        try
        {
            Assembly assembly = new PluginContext(path).LoadFromAssemblyPath(path);
            return (IDevicePlugin)Activator.CreateInstance(assembly.GetType($"{PluginName}.TorchPlugin", throwOnError: true)!)!;
        }
        catch (Exception e) when (e is BadImageFormatException or TypeLoadException or FileLoadException or InvalidCastException
            or MissingMethodException or TargetInvocationException)
        {
            throw new IOException($"{path} is not of this version of the program; publish src/{PluginName} again: {e.Message}", e);
        }
    }

    /// <summary>Loads what lies beside the plug-in, but shares this assembly with it: the seam must be the same type on both sides.</summary>
    private sealed class PluginContext(string path) : AssemblyLoadContext(PluginName)
    {
        private static readonly string Shared = typeof(IDevice).Assembly.GetName().Name!;
        private readonly AssemblyDependencyResolver resolver = new(path);

        protected override Assembly? Load(AssemblyName assemblyName) =>
            assemblyName.Name == Shared ? typeof(IDevice).Assembly
            : resolver.ResolveAssemblyToPath(assemblyName) is { } found ? LoadFromAssemblyPath(found) : null;
    }
}
