using Llama.Grains.Keys;

namespace Llama.Tool;

/// <summary><c>llama keys add|list|revoke</c>: the keys of the API in a file that gateways watch.</summary>
internal static class KeysCommand
{
    /// <summary>Makes a key and prints it.</summary>
    /// <param name="options">What it may do.</param>
    /// <param name="time">Says when it was made.</param>
    /// <param name="output">Told the key.</param>
    public static void Add(AddKeyOptions options, TimeProvider time, TextWriter output)
    {
        ApiKey added = ApiKey.Create(options.Name, time.GetUtcNow(), out string key) with
        {
            RequestsPerMinute = options.RequestsPerMinute,
            TokensPerMinute = options.TokensPerMinute,
            ConcurrentStreams = options.ConcurrentStreams,
            Priority = options.Priority,
        };
        ApiKeyFile.Change(options.File, keys => [.. keys, added]);
        output.WriteLine($"{added.Id}  {added.Name}");
        output.WriteLine(key);
    }

    /// <summary>Prints what is known of the keys.</summary>
    /// <param name="options">The file.</param>
    /// <param name="output">Told.</param>
    public static void List(KeyFileOptions options, TextWriter output)
    {
        foreach (ApiKey key in ApiKeyFile.Read(options.File))
        {
            string[] limits =
            [
                .. Limit(key.RequestsPerMinute, "requests/min"), .. Limit(key.TokensPerMinute, "tokens/min"),
                .. Limit(key.ConcurrentStreams, "streams"), .. Limit(key.Priority, "priority at least", isBefore: true),
            ];
            output.WriteLine($"{key.Id}  {key.Created:yyyy-MM-dd}  {key.Name}{(limits.Length == 0 ? "" : $"  ({string.Join(", ", limits)})")}");
        }
    }

    /// <summary>Takes a key out of the file.</summary>
    /// <param name="options">Which one.</param>
    /// <param name="output">Told that it is gone.</param>
    /// <exception cref="InvalidDataException">There is none of that id.</exception>
    public static void Revoke(RevokeKeyOptions options, TextWriter output)
    {
        ApiKeyFile.Change(options.File, keys => keys.Any(key => key.Id == options.Id)
            ? keys.Where(key => key.Id != options.Id)
            : throw new InvalidDataException($"'{options.File}' has no key {options.Id}; 'llama keys list' shows those that it has."));
        output.WriteLine($"{options.Id} is revoked.");
    }

    private static IEnumerable<string> Limit(int? limit, string unit, bool isBefore = false) =>
        limit is null ? [] : [isBefore ? $"{unit} {limit}" : $"{limit} {unit}"];
}
