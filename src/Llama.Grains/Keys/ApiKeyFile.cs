using System.Text.Json;

namespace Llama.Grains.Keys;

/// <summary>
/// The file of the API's keys: JSON, <c>{"keys":[…]}</c>, replaced as a whole, so that who reads it finds all of the old one or all of the new.
/// Only its owner may read it.
/// </summary>
public static class ApiKeyFile
{
    private const int MostBytes = 16 << 20;

    /// <summary>The keys in a file's bytes.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <exception cref="InvalidDataException">They are no such file.</exception>
    public static IReadOnlyList<ApiKey> Parse(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            IReadOnlyList<ApiKey> keys = JsonSerializer.Deserialize(bytes, ApiKeyJson.Default.ApiKeyList)?.Keys ?? [];
            if (keys.Select(key => key.FindFault()).FirstOrDefault(fault => fault is not null) is { } fault) throw new InvalidDataException($"'{path}': {fault}");
            return keys;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is no file of keys: {e.Message}", e);
        }
    }

    /// <summary>The bytes of a file of keys.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It cannot be read.</exception>
    public static byte[] ReadBytes(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length > MostBytes) throw new InvalidDataException($"'{path}' has {stream.Length} bytes; expected at most {MostBytes}.");
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"'{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The keys of a file; none where there is no file yet.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It cannot be read, or is no such file.</exception>
    public static IReadOnlyList<ApiKey> Read(string path) => File.Exists(path) ? Parse(path, ReadBytes(path)) : [];

    /// <summary>Changes a file of keys; others who change it at the same time are waited for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="change">The keys that it is to have.</param>
    /// <exception cref="InvalidDataException">What is there cannot be read, or is no such file.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be written.</exception>
    public static void Change(string path, Func<IReadOnlyList<ApiKey>, IEnumerable<ApiKey>> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using FileStream mine = OpenAlone($"{path}.lock", options);
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(new ApiKeyList([.. change(Read(path))]), ApiKeyJson.Default.ApiKeyList);
        string next = $"{path}.new";
        options.Mode = FileMode.Create;
        using (var stream = new FileStream(next, options))
        {
            stream.Write(bytes);
            stream.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }

    private static FileStream OpenAlone(string path, FileStreamOptions options)
    {
        for (int left = 50; ; left--)
        {
            try
            {
                return new FileStream(path, options);
            }
            catch (IOException) when (left > 0 && File.Exists(path))
            {
                Thread.Sleep(TimeSpan.FromMilliseconds(100));
            }
        }
    }
}
