using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class PairMergerTests
{
    [Fact]
    public void Merge_RandomVocabularies_EqualsOneMergeAfterTheOther()
    {
        var random = new Random(3);
        for (int round = 0; round < 3_000; round++)
        {
            Dictionary<string, int> pieces = RandomPieces(random);
            int[] ranks = [.. Enumerable.Range(0, pieces.Count).Select(_ => random.Next(6))];
            string text = RandomText(random, random.Next(30));

            var merger = new PairMerger(MergeTable.FromPieces(pieces, ranks));
            int[] symbols = [.. text.Select(c => pieces.TryGetValue(c.ToString(), out int id) ? id : ~c)];
            int count = merger.Merge(symbols);

            Assert.Equal(MergeSlowly(text, pieces, ranks), symbols[..count]);
        }
    }

    private static List<int> MergeSlowly(string text, Dictionary<string, int> pieces, int[] ranks)
    {
        List<string> parts = [.. text.Select(c => c.ToString())];
        while (true)
        {
            IEnumerable<int> places = Enumerable.Range(0, Math.Max(0, parts.Count - 1));
            int[] candidates = [.. places.Where(i => pieces.ContainsKey(parts[i] + parts[i + 1]))];
            if (candidates.Length == 0) return [.. parts.Select(part => pieces.TryGetValue(part, out int id) ? id : ~part[0])];
            int best = candidates.MinBy(i => ranks[pieces[parts[i] + parts[i + 1]]]);
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
    }

    private static Dictionary<string, int> RandomPieces(Random random)
    {
        var pieces = new Dictionary<string, int>();
        for (int i = random.Next(20); i >= 0; i--)
            pieces.TryAdd(RandomText(random, random.Next(1, 6)), pieces.Count);
        return pieces;
    }

    private static string RandomText(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => "abc"[random.Next(3)]));
}
