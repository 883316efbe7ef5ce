using System.Security.Cryptography;

namespace Llama.Torch.Native;

/// <summary>
/// A copy of TorchSharp's native library that loads where libstdc++ is older than GCC 13's (Debian 12, Ubuntu 22.04, RHEL 9). The library
/// asks for the symbol version GLIBCXX_3.4.32 for the sake of <c>std::ios_base_library_init()</c>, which no relocation refers to. The package's file is never
/// touched.
/// </summary>
internal static class ShimCopy
{
    /// <summary>The symbol version that older systems lack.</summary>
    public const string Version = "GLIBCXX_3.4.32";

    /// <summary>The folder in the user's cache.</summary>
    public static string CacheFolder => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
        "llama-cluster");

    /// <summary>Makes the copy, unless it is there with the right hash.</summary>
    /// <param name="library">TorchSharp's native library.</param>
    /// <param name="folder">Where the copy goes; made if need be.</param>
    /// <returns>The copy's path.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="InvalidDataException">The library is not one that can be changed so.</exception>
    public static string Make(string library, string folder)
    {
        byte[] bytes = File.ReadAllBytes(library);
        if (!ElfFile.MakeWeak(bytes, Version)) throw new InvalidDataException($"{library} does not need {Version}.");
        byte[] hash = SHA256.HashData(bytes);
        string path = Path.Combine(folder, $"LibTorchSharp-{Convert.ToHexStringLower(hash)[..16]}.so");
        if (HasHash(path, hash)) return path;
        try
        {
            Directory.CreateDirectory(folder);
            string temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
            File.WriteAllBytes(temporary, bytes);
            File.Move(temporary, path, overwrite: true);
            return path;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    private static bool HasHash(string path, ReadOnlySpan<byte> hash)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            return hash.SequenceEqual(SHA256.HashData(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
