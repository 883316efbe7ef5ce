using System.Globalization;
using System.Text.RegularExpressions;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>The model-parallel shards <c>consolidated.NN.pth</c> of a folder.</summary>
internal static partial class ShardFiles
{
    /// <summary>Most shards that there can be: their numbers have two digits.</summary>
    public const int Most = 100;

    /// <summary>The shards' paths, numbered from 00 without a gap; none when no weights are there.</summary>
    /// <exception cref="CheckpointException">A number is missing.</exception>
    public static IReadOnlyList<string> Find(string folder)
    {
        var numbers = new SortedSet<int>();
        foreach (string path in Directory.EnumerateFiles(folder, "consolidated.*.pth"))
        {
            Match match = ShardName().Match(Path.GetFileName(path));
            if (match.Success) numbers.Add(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        }

        for (int number = 0; number < numbers.Count; number++)
        {
            if (!numbers.Contains(number))
            {
                throw new CheckpointException(
                    $"{folder}: {NameOf(number)} is missing; found shards up to {NameOf(numbers.Max)}, expected them numbered from 00");
            }
        }

        return [.. numbers.Select(number => Path.Combine(folder, NameOf(number)))];
    }

    /// <summary>The name of a shard.</summary>
    public static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"consolidated.{number:00}.pth");

    [GeneratedRegex(@"^consolidated\.([0-9]{2})\.pth$")]
    private static partial Regex ShardName();
}
