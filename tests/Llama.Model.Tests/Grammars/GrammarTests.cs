using System.Diagnostics;
using System.Text;
using Llama.Model.Grammars;

namespace Llama.Model.Tests.Grammars;

public sealed class GrammarTests
{
    private const string List = """{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"],"additionalProperties":false}}}""";

    [Theory]
    [InlineData(GrammarKind.Regex, "[a-c]+(x|yz)?", "abcx", "abcy")]
    [InlineData(GrammarKind.Regex, @"^\d{2,3}-\p{Lu}$", "123-Ä", "1-A")]
    [InlineData(GrammarKind.Regex, @"[^\n]*é", "abcé", "é\n")]
    [InlineData(GrammarKind.Choice, """["yes","no","nobody"]""", "nobody", "nob")]
    [InlineData(GrammarKind.Gbnf, "root ::= item (\",\" ws item)* # list\nitem ::= [a-z]{1,2} | \"<\" root \">\"\nws ::= \" \"?", "a, <b,cd>", "a,, b")]
    [InlineData(GrammarKind.Gbnf, "root ::= \"\\u00e9\" [^a]+", "éb", "éa")]
    [InlineData(GrammarKind.JsonObject, "", """{"a": [1, -2.5e3, "x\n\u00e9", null], "b": {}}""", "[]")]
    [InlineData(GrammarKind.JsonObject, "", "{\n  \"a\": true\n}", "{  }")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"integer","minimum":-12,"maximum":130}""", "-12", "-13")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"integer","minimum":-12,"maximum":130}""", "130", "131")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"number","exclusiveMinimum":0.25,"maximum":10}""", "0.2500001", "0.250")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"number","multipleOf":0.25}""", "-3.75", "3.7")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"integer","multipleOf":7,"minimum":700}""", "707", "693")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","minLength":2,"maxLength":3}""", "\"\\u00e9😀\"", "\"a\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","pattern":"^[ab]+$","maxLength":3}""", "\"aba\"", "\"abab\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","pattern":"\""}""", "\"a\\\"\"", "\"a\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","format":"date"}""", "\"2024-02-29\"", "\"2023-02-29\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","format":"date"}""", "\"0001-01-01\"", "\"0000-01-01\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","format":"ipv6"}""", "\"::1\"", "\"1::2::3\"")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2}""", "[true, false]", "[true,true,true]")]
    [InlineData(GrammarKind.JsonSchema, """{"enum":["a",1,[2]]}""", "[2]", "2")]
    [InlineData(GrammarKind.JsonSchema, List, """{"next":{"next":null}}""", """{"next":{}}""")]
    [InlineData(GrammarKind.JsonSchema, """{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"a":{"minimum":5}},"required":["a"]}],"type":"object","additionalProperties":true}""", """{"a":5,"b":1}""", """{"a":4}""")]
    [InlineData(GrammarKind.JsonSchema, """{"oneOf":[{"properties":{"k":{"const":"x"}},"required":["k"],"type":"object"},{"type":"null"}]}""", "null", """{"k":"y"}""")]
    public void TryTake_Text_IsTakenWhereTheGrammarHasIt(GrammarKind kind, string text, string good, string bad)
    {
        Grammar grammar = TestVocabulary.Compile(kind, text);
        Assert.True(TestVocabulary.Accepts(grammar, good));
        Assert.False(TestVocabulary.Accepts(grammar, bad));
    }

    [Theory]
    [InlineData(GrammarKind.JsonSchema, """{"properties":{"a":{"not":{}}}}""", "not at /properties/a is not supported")]
    [InlineData(GrammarKind.JsonSchema, """{"uniqueItems":true}""", "uniqueItems at the root is not supported")]
    [InlineData(GrammarKind.JsonSchema, """{"minLenght":1}""", "minLenght at the root is not supported")]
    [InlineData(GrammarKind.JsonSchema, """{"format":"email"}""", "format at the root needs the type string")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","format":"regex"}""", "format at the root is 'regex'")]
    [InlineData(GrammarKind.JsonSchema, """{"$ref":"other.json"}""", "$ref at the root points to no schema")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"string","pattern":"(?=a)b"}""", "pattern at the root is not supported. In the regular expression")]
    [InlineData(GrammarKind.JsonSchema, """{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "oneOf at the root has alternatives")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "No text fits")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"integer","minimum":3,"maximum":2}""", "No text fits")]
    [InlineData(GrammarKind.JsonSchema, "{", "It is no JSON")]
    [InlineData(GrammarKind.Gbnf, "root ::= root \"a\" | \"b\"", "The rule 'root' begins with itself")]
    [InlineData(GrammarKind.Gbnf, "a ::= \"b\"", "has no rule 'root'")]
    [InlineData(GrammarKind.Gbnf, "root ::= other", "has no rule 'other'")]
    [InlineData(GrammarKind.Gbnf, "root ::= \"a\n", "a text is not closed")]
    [InlineData(GrammarKind.Regex, "a(b", "a group is not closed")]
    [InlineData(GrammarKind.Regex, @"a\bb", "word boundaries")]
    [InlineData(GrammarKind.Regex, "a{2,1}", "is empty")]
    public void Compile_WhatIsNotSupported_IsRefusedByName(GrammarKind kind, string text, string message) =>
        Assert.Contains(message, Assert.Throws<GrammarException>(() => TestVocabulary.Compile(kind, text)).Message, StringComparison.Ordinal);

    public static TheoryData<GrammarKind, string> Hostile => new()
    {
        { GrammarKind.Regex, new string('(', 5000) + new string(')', 5000) },
        { GrammarKind.Regex, "((((a{0,9999}){0,9999}){0,9999}){0,9999})b" },
        { GrammarKind.Regex, string.Concat(Enumerable.Repeat("a?", 60000)) },
        { GrammarKind.Regex, "(a|b)*a(a|b){5000}" },
        { GrammarKind.Gbnf, "root ::= " + string.Concat(Enumerable.Repeat("x ", 20000)) + "\nx ::= \"a\"?" },
        { GrammarKind.Gbnf, "root ::= " + new string('(', 50000) },
        { GrammarKind.JsonSchema, """{"type":"string","pattern":"(a|b)*a(a|b){40}c","minLength":5000}""" },
        { GrammarKind.JsonSchema, $$"""{"allOf":[{{string.Join(',', Enumerable.Range(0, 30).Select(i => $$"""{"anyOf":[{"minimum":{{i}}},{"multipleOf":{{i + 1}}}]}"""))}}],"type":"integer"}""" },
        { GrammarKind.JsonSchema, """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, 8000).Select(i => $"\"p{i}\":{{}}")) + "}}" },
        { GrammarKind.JsonSchema, string.Concat(Enumerable.Repeat("""{"items":""", 60)) + "{}" + new string('}', 60) },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Compile_Hostile_EndsInTime(GrammarKind kind, string text)
    {
        var watch = Stopwatch.StartNew();
        Exception? fault = Record.Exception(() =>
        {
            GrammarMatcher matcher = TestVocabulary.Compile(kind, text).Begin(startsText: false);
            for (int i = 0; i < 300; i++)
            {
                List<int> allowed = TestVocabulary.Allowed(matcher, TestVocabulary.Bytes.VocabSize);
                if (allowed.Count == 0 || !matcher.TryTake(allowed[i % allowed.Count])) break;
            }
        });
        Assert.True(fault is null or GrammarException, fault?.ToString());
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 20);
    }

    [Theory]
    [InlineData(GrammarKind.JsonObject, "")]
    [InlineData(GrammarKind.JsonSchema, """{"type":"object","properties":{"name":{"type":"string","maxLength":5},"n":{"type":"integer","minimum":7,"maximum":1234},"tags":{"type":"array","items":{"enum":["ab","ac","b"]},"maxItems":3}},"required":["name","n"],"additionalProperties":{"type":"boolean"}}""")]
    [InlineData(GrammarKind.Gbnf, "root ::= a | \"(\" root \")\"\na ::= [ab]* \"c\"")]
    [InlineData(GrammarKind.Regex, "([a-d]{2,4},)*x")]
    public void Mask_InEveryState_AllowsJustTheTokensThatAreTaken(GrammarKind kind, string text)
    {
        var vocabulary = new TestVocabulary(
            false, "{\"", "\":", "\": ", "\",\"", "\"}", "]}", "ab", "abc", "true", "12", "123", "\n  ", "[\"", "\"]", "name", "\"name\":\"", "a,", "((", "))", "é", "\\u");
        var grammars = new GrammarVocabulary(vocabulary);
        Grammar grammar = Grammar.Compile(new GrammarSource(kind, text), grammars, [vocabulary.End]);
        var random = new Random(7);
        for (int run = 0; run < 30; run++)
        {
            List<int> taken = [];
            GrammarMatcher matcher = grammar.Begin(startsText: false);
            for (int i = 0; i < 25; i++)
            {
                List<int> allowed = TestVocabulary.Allowed(matcher, vocabulary.VocabSize);
                Assert.Equal(allowed, Enumerable.Range(0, vocabulary.VocabSize).Where(token => After(grammar, taken).TryTake(token)));
                Assert.Equal(matcher.CanEnd, allowed.Contains(vocabulary.End));
                int next = allowed[random.Next(allowed.Count)];
                if (next == vocabulary.End) break;
                taken.Add(next);
                Assert.True(matcher.TryTake(next));
            }
        }
    }

    [Fact]
    public void Begin_OfATextWithADummySpace_TakesTheFirstTokenWithItAndWithout()
    {
        var vocabulary = new TestVocabulary(true, " {", " ", " {\"", "{\"");
        Grammar grammar = Grammar.Compile(new GrammarSource(GrammarKind.JsonObject, ""), new GrammarVocabulary(vocabulary), [vocabulary.End]);
        Assert.Equal(['{', 256, 258, 259], TestVocabulary.Allowed(grammar.Begin(startsText: true), vocabulary.VocabSize));
        Assert.Equal(['{', 259], TestVocabulary.Allowed(grammar.Begin(startsText: false), vocabulary.VocabSize));
        GrammarMatcher matcher = grammar.Begin(startsText: true);
        Assert.True(matcher.TryTake(258));
        Assert.True(matcher.TryTake('a'));
        Assert.True(After(grammar, [.. Encoding.UTF8.GetBytes("{\"a\":1}").Select(value => (int)value)]).CanEnd);
    }

    private static GrammarMatcher After(Grammar grammar, List<int> tokens)
    {
        GrammarMatcher matcher = grammar.Begin(startsText: false);
        Assert.All(tokens, token => Assert.True(matcher.TryTake(token)));
        return matcher;
    }
}
