using System.Text.Json;
using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Text;

namespace Llama.Model.Grammars.Schemas;

/// <content>Objects.</content>
internal sealed partial class SchemaCompiler
{
    /// <summary>Most patterns of names for one object: each subset of them is a case.</summary>
    private const int MostPatterns = 4;

    private Expr Object(List<Schema> all)
    {
        int least = Bound(all, "minProperties", true) ?? 0;
        int most = Bound(all, "maxProperties", false) ?? Expr.Unbounded;
        HashSet<string> required = [.. Required(all)];
        List<string> names =
        [
            .. all.SelectMany(schema => schema["properties"]?.EnumerateObject().Select(property => property.Name) ?? []).Concat(required).Distinct(),
        ];
        List<Expr> values = names.ConvertAll(name =>
            all.TrueForAll(schema => schema["propertyNames"] is null || check.AllowsName(document.Child(schema, "propertyNames"), name))
                ? Compile(Property(all, name))
                : table.Nothing);
        Expr other = OtherMembers(all, names);
        return table.Sequence(table.Byte((byte)'{'), Members(names, values, required, other, least, most));
    }

    /// <summary>What follows the opening brace: the named members in their order, then the others.</summary>
    private Expr Members(List<string> names, List<Expr> values, HashSet<string> required, Expr other, int least, int most)
    {
        Expr close = table.Sequence(space, table.Byte((byte)'}'));

        // By how many members there are before: up to so many they matter, one more means any number beyond that.
        int counted = Math.Min(names.Count, Math.Max(least, most == Expr.Unbounded ? 1 : most));
        Expr[] tails = new Expr[counted + 1];
        for (int count = 0; count <= counted; count++)
        {
            int fewest = Math.Max(0, least - count);
            int room = most == Expr.Unbounded ? most : most - count;
            Expr first = room == 0 ? table.Nothing : table.Sequence(space, other, Repeated(Math.Max(0, fewest - 1), room == Expr.Unbounded ? room : room - 1), close);
            tails[count] = count > 0 ? table.Sequence(Repeated(fewest, room), close)
                : fewest == 0 ? table.Alternatives(close, first) : first;
        }

        for (int i = names.Count - 1; i >= 0; i--)
        {
            Expr[] next = new Expr[counted + 1];
            for (int count = 0; count <= counted; count++)
            {
                int after = count < counted ? count + 1 : most == Expr.Unbounded ? counted : -1;
                Expr with = after < 0 || count >= most ? table.Nothing : table.Sequence(count == 0 ? space : Comma, Member(names[i], values[i]), tails[after]);
                next[count] = required.Contains(names[i]) ? with : table.Alternatives(with, tails[count]);
            }

            tails = next;
        }

        return tails[0];

        Expr Repeated(int fewest, int room) => table.Repeat(table.Sequence(Comma, other), fewest, room);
    }

    /// <summary>A member whose name no schema names.</summary>
    private Expr OtherMembers(List<Schema> all, List<string> names)
    {
        Dictionary<string, Expr> patterns = new(StringComparer.Ordinal);
        foreach (Schema schema in all)
        {
            foreach (JsonProperty pattern in schema["patternProperties"]?.EnumerateObject() ?? default)
                patterns.TryAdd(pattern.Name, check.Pattern(schema, "patternProperties", pattern.Name));
            if (patterns.Count > MostPatterns) throw schema.Wrong("patternProperties", $"has more than {MostPatterns} patterns, which is not supported");
        }

        var name = new List<Expr> { table.Sequence(json.Quote, table.Repeat(json.WrittenOneWay, 0), json.Quote) };
        if (names.Count > 0) name.Add(table.Not(table.Alternatives([.. names.Select(known => table.Literal(JsonText.Write(known)))])));
        foreach (Schema schema in all)
        {
            if (schema["propertyNames"] is not null) name.Add(Names([document.Child(schema, "propertyNames")], []));
        }

        string[] keys = [.. patterns.Keys];
        var cases = new List<Expr>();
        for (int subset = 0; subset < 1 << keys.Length; subset++)
        {
            List<string> matching = [.. keys.Where((_, i) => (subset & (1 << i)) != 0)];
            Expr value = Compile(all.SelectMany(schema => OtherSchemas(schema, matching)));
            if (value == table.Nothing) continue;
            Expr lexeme = table.And([.. name, .. keys.Select(key => matching.Contains(key) ? patterns[key] : table.Not(patterns[key]))]);
            cases.Add(Member(table.Lexeme(lexeme), value));
        }

        return table.Alternatives([.. cases]);
    }

    private IEnumerable<Schema> OtherSchemas(Schema schema, List<string> matching)
    {
        bool found = false;
        foreach (string pattern in matching)
        {
            if (schema["patternProperties"] is not { } patterns || !patterns.TryGetProperty(pattern, out _)) continue;
            found = true;
            yield return document.Child(schema, "patternProperties", pattern);
        }

        if (!found && schema["additionalProperties"] is not null) yield return document.Child(schema, "additionalProperties");
    }
}
