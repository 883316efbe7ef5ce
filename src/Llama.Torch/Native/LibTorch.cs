using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;

namespace Llama.Torch.Native;

/// <summary>
/// Loads libtorch and TorchSharp's native library, by full path and before TorchSharp looks for them itself: so it is known which files
/// they are, and what to say where one does not load.
/// </summary>
internal static partial class LibTorch
{
    /// <summary>The version that TorchSharp was made for; others may work.</summary>
    public const string Version = "2.10.0";

    private const string Shim = "LibTorchSharp";
    private static readonly Lock Loading = new();
    private static nint shim;
    private static nint cpu;

    /// <summary>Whether the folder's libtorch can use CUDA; known once it is loaded.</summary>
    public static bool HasCuda { get; private set; }

    /// <summary>Version of the libtorch that is loaded, or null where its folder does not tell.</summary>
    public static string? LoadedVersion { get; private set; }

    /// <summary>Loads them, once for the process.</summary>
    /// <param name="folder">The plug-in's folder.</param>
    /// <param name="libTorch">The folder with libtorch; null where that is the plug-in's, or one that a link there leads to.</param>
    /// <exception cref="IOException">One is missing or does not load; the message says what to do.</exception>
    public static void Load(string folder, string? libTorch = null)
    {
        lock (Loading)
        {
            if (shim != 0) return;
            if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
                throw new IOException("The Torch backend runs on Linux for x86-64 only; leave --devices out, or give --devices cpu.");
            string libraries = FindLibraries(libTorch ?? folder);
            LoadedVersion = ReadVersion(libraries);
            MakeRepeatable();
            Require(libraries, "libc10.so");
            cpu = Require(libraries, "libtorch_cpu.so");
            HasCuda = File.Exists(Path.Combine(libraries, "libtorch_cuda.so"));
            if (HasCuda) Require(libraries, "libtorch_cuda.so");
            Require(libraries, "libtorch.so");
            nint loaded = LoadShim(Find(folder, $"lib{Shim}.so")
                ?? throw new IOException($"{folder} has no lib{Shim}.so; publish src/Llama.Torch into it again."));
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => Resolve(name));
            NativeLibrary.SetDllImportResolver(typeof(LibTorch).Assembly, (name, _, _) => Resolve(name));
            shim = loaded;
        }
    }

    /// <summary>The folder with libtorch: the plug-in's own, or one that a link named <c>libtorch</c> in it leads to.</summary>
    private static string FindLibraries(string folder)
    {
        foreach (string place in (string[])["libtorch", "libtorch/lib", "lib", "runtimes/linux-x64/native", "."])
        {
            string libraries = Path.GetFullPath(Path.Combine(folder, place));
            if (File.Exists(Path.Combine(libraries, "libtorch_cpu.so"))) return libraries;
        }

        throw new IOException(
            $"{folder} has no libtorch: publish it with -p:TorchDevice=cuda or cpu, or put a link named 'libtorch' there to the folder"
            + $" torch/lib of a PyTorch {Version} installation.");
    }

    private static string? Find(string folder, string file)
    {
        string own = Path.Combine(folder, file), portable = Path.Combine(folder, "runtimes", "linux-x64", "native", file);
        return File.Exists(own) ? own : File.Exists(portable) ? portable : null;
    }

    /// <summary>PyTorch's installations have a version file beside <c>lib</c>; the package has no other version than the one asked for.</summary>
    private static string? ReadVersion(string libraries)
    {
        string target = new DirectoryInfo(libraries).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? libraries;
        string above = Path.GetDirectoryName(target) ?? target;
        foreach (string file in (string[])[Path.Combine(above, "build-version"), Path.Combine(above, "version.py")])
        {
            if (!File.Exists(file)) continue;
            string text = File.ReadAllText(file);
            if (VersionNumber().Match(text) is { Success: true } number) return number.Value;
        }

        return null;
    }

    private static nint Require(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        if (!File.Exists(path)) throw new IOException($"{folder} has no {file}, so its libtorch is not whole: install it again.");
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (DllNotFoundException e)
        {
            throw new IOException($"{path} cannot be loaded; install what it asks for: {FirstLine(e.Message, path)}", e);
        }
    }

    private static nint LoadShim(string path)
    {
        if (NativeLibrary.TryLoad(path, out nint handle)) return handle;
        string copy;
        try
        {
            copy = ShimCopy.Make(path, ShimCopy.CacheFolder);
        }
        catch (IOException e)
        {
            throw new IOException(
                $"{path} needs a newer libstdc++ than this system has, and no changed copy can be kept in {ShimCopy.CacheFolder}"
                + $" (set XDG_CACHE_HOME to a folder that can be written): {e.Message}", e);
        }

        return Require(Path.GetDirectoryName(copy)!, Path.GetFileName(copy));
    }

    /// <summary>What the loader says about the file itself, out of a message that names each place where it looked.</summary>
    private static string FirstLine(string message, string path) =>
        message.Split('\n').FirstOrDefault(line => line.Contains(": ", StringComparison.Ordinal) && line.Contains(".so", StringComparison.Ordinal)
            && !line.StartsWith("Unable", StringComparison.Ordinal))?.Trim() ?? $"{path} or a library that it needs is missing";

    private static nint Resolve(string name) => name switch
    {
        Shim or $"lib{Shim}" or $"lib{Shim}.so" => shim,
        "torch_cpu" or "libtorch_cpu" or "libtorch_cpu.so" => cpu,
        _ => 0,
    };

    /// <summary>
    /// What makes cuBLAS choose its kernels by the shapes alone, as vLLM's batch-invariant mode does. libtorch reads the C library's environment, which the
    /// runtime's own does not change.
    /// </summary>
    private static void MakeRepeatable()
    {
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)
            [("CUBLAS_WORKSPACE_CONFIG", ":16:8"), ("CUBLASLT_WORKSPACE_SIZE", "1"), ("TORCH_BLAS_PREFER_CUBLASLT", "1")])
        {
            if (SetEnvironment(name, value, 1) != 0) throw new IOException($"The system refuses to set the variable {name}.");
        }
    }

    [GeneratedRegex(@"\d+\.\d+\.\d+")]
    private static partial Regex VersionNumber();

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
