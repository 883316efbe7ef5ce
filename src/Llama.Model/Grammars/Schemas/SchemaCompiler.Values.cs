using System.Text.Json;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Schemas;

/// <content>Strings, numbers and arrays.</content>
internal sealed partial class SchemaCompiler
{
    private Expr Text(List<Schema> all)
    {
        (int least, int most) = (Bound(all, "minLength", true) ?? 0, Bound(all, "maxLength", false) ?? Expr.Unbounded);
        var shapes = new List<Expr>();
        foreach (Schema schema in all)
        {
            if (schema["pattern"] is { } pattern) shapes.Add(check.Pattern(schema, "pattern", pattern.GetString()!));
            if (schema["format"] is null) continue;
            if (!all.Exists(other => other["type"] is not null))
                throw schema.Wrong("format", "needs the type string beside it: without a type it is a comment");
            shapes.Add(check.Format(schema));
        }

        Expr character = shapes.Count == 0 ? json.AnyCharacter : json.WrittenOneWay;
        return table.And([table.Sequence(json.Quote, table.Repeat(character, least, most), json.Quote), .. shapes]);
    }

    /// <summary>The strings that schemas allow, as regular expressions: names of properties.</summary>
    private Expr Names(IEnumerable<Schema> schemas, IReadOnlyList<string> chosen)
    {
        if (Expand(schemas) is not { } all) return table.Nothing;
        if (NextChoice(all, chosen) is { } choice)
        {
            List<Schema> choices = [.. document.Children(choice.Schema, choice.Keyword)];
            if (choice.Keyword == "oneOf") ThrowUnlessDisjoint(choice.Schema, all, choices);
            string[] next = [.. chosen, $"{choice.Schema.Path}/{choice.Keyword}"];
            return table.Alternatives([.. choices.Select(one => Names([.. all, one], next))]);
        }

        if (Literals(all) is { } values)
        {
            return table.Alternatives([.. values.Where(value => value.ValueKind == JsonValueKind.String && all.TrueForAll(schema => check.Allows(schema, value)))
                .Select(Literal)]);
        }

        return (JsonTypesOf.All(all) & JsonTypes.Text) != 0 ? Text(all) : table.Nothing;
    }

    private Expr Number(List<Schema> all, bool onlyIntegers, bool onlyFractions)
    {
        var parts = new List<Expr>();
        foreach (Schema schema in all)
        {
            AddBound(schema, "minimum", bound => numbers.AtLeast(bound, strict: false));
            AddBound(schema, "exclusiveMinimum", bound => numbers.AtLeast(bound, strict: true));
            AddBound(schema, "maximum", bound => numbers.AtMost(bound, strict: false));
            AddBound(schema, "exclusiveMaximum", bound => numbers.AtMost(bound, strict: true));
            AddBound(schema, "multipleOf", bound => numbers.MultipleOf(bound)
                ?? throw schema.Wrong("multipleOf", $"has more than {NumberLanguage.MostRemainders} remainders, which is not supported"));
        }

        if (onlyFractions) throw all[0].Wrong("type", "excludes integers but not other numbers, which is not supported");
        if (onlyIntegers) return table.And([numbers.Integer, .. parts]);
        return parts.Count == 0 ? numbers.Any : table.And([numbers.Decimal, .. parts]);

        void AddBound(Schema schema, string keyword, Func<ExactNumber, Expr> language)
        {
            if (schema[keyword] is not { } value) return;
            parts.Add(ExactNumber.TryRead(value, out ExactNumber bound)
                ? language(bound)
                : throw schema.Wrong(keyword, "has too many digits, which is not supported"));
        }
    }

    private Expr Array(List<Schema> all)
    {
        (int least, int most) = (Bound(all, "minItems", true) ?? 0, Bound(all, "maxItems", false) ?? Expr.Unbounded);
        int prefix = all.Max(schema => (int?)document.Children(schema, "prefixItems").Count()) ?? 0;
        Expr close = table.Sequence(space, table.Byte((byte)']'));
        Expr item = Item(all, prefix);
        Expr Tail(int from) => table.Repeat(table.Sequence(Comma, item), Math.Max(0, least - from), most == Expr.Unbounded ? most : Math.Max(0, most - from));
        Expr tail = table.Sequence(Tail(prefix), close);
        if (prefix == 0)
        {
            Expr first = most == 0 ? table.Nothing : table.Sequence(space, item, Tail(1), close);
            tail = least == 0 ? table.Alternatives(close, first) : first;
        }

        for (int i = prefix - 1; i >= 0; i--)
        {
            Expr more = i >= most ? table.Nothing : table.Sequence(i == 0 ? space : Comma, Item(all, i), tail);
            tail = i >= least ? table.Alternatives(close, more) : more;
        }

        return table.Sequence(table.Byte((byte)'['), tail);
    }

    private Expr Item(List<Schema> all, int index) => Compile(all.SelectMany(schema =>
    {
        List<Schema> prefix = [.. document.Children(schema, "prefixItems")];
        return index < prefix.Count ? [prefix[index]] : schema["items"] is null ? (Schema[])[] : [document.Child(schema, "items")];
    }));
}
