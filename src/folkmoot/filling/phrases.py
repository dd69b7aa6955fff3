"""What the made-up posts are put together from: for each language its own sentences with gaps, and what fills them.

A gap `{thing}` is filled from the language's own things; `{name}`, `{first}`, `{number}`, `{small}` and `{product}` by
`text`. No phrase holds `<`, `>` or `&`, so text and markup are the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Phrases(NamedTuple):
    """One language. `space` stands between sentences; `topics` and `sentences` have gaps."""

    space: str
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    ticket: str
    short: tuple[str, ...]
    topics: tuple[str, ...]
    sentences: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    days: tuple[str, ...]
    deeds: tuple[str, ...]
    moods: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


ENGLISH = Phrases(
    " ",
    _split("Hi {first},|Hello all,|Good morning,|Dear {first},|Team,"),
    _split("Best, {first}|Thanks, {first}|Kind regards, {first}|Cheers, {first}"),
    "Ticket {number}.",
    _split(
        "Works for me.|Thanks, that helps a lot.|Agreed.|I will look into it.|Could you say more?|Done, please check."
    ),
    _split(
        "{thing} for {place}|Question about the {thing}|{product}: {thing}|The {thing} of {day}|Plan for the {thing}"
    ),
    _split(
        "The {thing} should reach {place} by {day}, unless the supplier is late again.|"
        "Has anybody heard from {name} about the {thing}?|"
        "I would rather {deed} before we talk to {product}.|"
        "On {day} we counted {small} boxes, and the {thing} was missing.|"
        "{name} said that the {thing} is {mood}, and I tend to believe it.|"
        "Please {deed} and send me a short note when that is done.|"
        "We could meet in {place} at half past {small}.|"
        "The {thing} from {product} is {mood} and costs {number} crowns.|"
        "Nobody in {place} knew who was going to {deed}.|"
        "My suggestion: first the {thing}, then the {thing}, and the rest after {day}.|"
        "If the {thing} stays {mood}, the customer will call {name} once more.|"
        "Let us {deed} together, it takes two people anyway.|"
        "What happened to the {thing} that we ordered for {place}?|"
        "Since the {thing} has not changed, I suggest that we {deed}."
    ),
    _split(
        "invoice|delivery|harbour crane|meeting room|budget|translation|floor plan|prototype|warranty|timetable|"
        "newsletter|paint sample|server rack|contract|catalogue|survey|drawing|spare key|shipment|greenhouse|handbook"
    ),
    _split("Rotterdam|the lower warehouse|Leeds|the third floor|Galway|the workshop|Uppsala|the print room|Porto"),
    _split("Monday|Tuesday|Wednesday|Thursday|Friday|the weekend|the end of March|midsummer"),
    _split(
        "check the figures|call the supplier|repaint the sign|renew the contract|count what is left|draw a new plan|"
        "ask the tenants|sort the returns|measure the hall|write the minutes"
    ),
    _split("late|fine|too heavy|cheaper than last year|half finished|as good as new|hard to read|nearly ready"),
)
GERMAN = Phrases(
    " ",
    _split("Hallo {first},|Guten Morgen,|Liebe Kolleginnen und Kollegen,|Moin zusammen,"),
    _split("Viele Grüße, {first}|Danke und Gruß, {first}|Bis morgen, {first}"),
    "Vorgang {number}.",
    _split("Passt für mich.|Danke, das hilft sehr.|Einverstanden.|Ich kümmere mich darum.|Ist erledigt, bitte prüfen."),
    _split("{thing} für {place}|Frage zum Thema {thing}|{product}: {thing}|Rückblick auf {day}|Plan: {thing}"),
    _split(
        "Die Sache mit dem Thema {thing} ist {mood}, sagt {name}.|"
        "Bis {day} müssen wir noch {deed}, sonst wird es in {place} eng.|"
        "Hat jemand {number} gezählt oder waren es nur {small}?|"
        "Ich würde gern {deed}, bevor {product} wieder anruft.|"
        "In {place} fehlt seit {day} das Stichwort {thing} im Plan.|"
        "Könnte {name} bitte {deed} und kurz Bescheid geben?|"
        "Mein Vorschlag: zuerst {thing}, danach {thing}, und alles Übrige nach {day}.|"
        "Das Angebot von {product} ist {mood} und kostet {number} Taler.|"
        "Wenn es so {mood} bleibt, schreibe ich der Kundschaft selbst.|"
        "Zu zweit können wir in {small} Stunden {deed}."
    ),
    _split(
        "Rechnung|Lieferung|Hafenkran|Besprechungsraum|Haushalt|Übersetzung|Grundriss|Prototyp|Gewährleistung|Fahrplan|"
        "Rundbrief|Farbmuster|Vertrag|Katalog|Umfrage|Zeichnung|Ersatzschlüssel|Gewächshaus|Handbuch|Prüfbericht"
    ),
    _split("Lübeck|der Werkstatt|Görlitz|der unteren Halle|Graz|dem dritten Stock|Zürich|dem Lager"),
    _split("Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Ende März|nächster Woche"),
    _split(
        "die Zahlen prüfen|den Lieferanten anrufen|das Schild neu streichen|den Vertrag verlängern|den Rest zählen|"
        "einen neuen Plan zeichnen|die Halle ausmessen|das Protokoll schreiben"
    ),
    _split("verspätet|in Ordnung|zu schwer|günstiger als voriges Jahr|halb fertig|so gut wie neu|fast fertig"),
)
FRENCH = Phrases(
    " ",
    _split("Bonjour {first},|Bonjour à tous,|Chers collègues,|Salut {first},"),
    _split("Bien à vous, {first}|Merci d'avance, {first}|À demain, {first}"),
    "Dossier {number}.",
    _split("Ça me convient.|Merci, c'est très utile.|D'accord.|Je m'en occupe.|C'est fait, merci de vérifier."),
    _split("{thing} pour {place}|Question : {thing}|{product} : {thing}|Retour sur {day}|Projet de {thing}"),
    _split(
        "D'après {name}, le dossier {thing} est {mood}.|"
        "Il faudrait {deed} avant {day}, sinon {place} sera en retard.|"
        "Nous avons compté {small} cartons, et il manque encore {thing}.|"
        "Je préfère {deed} avant de répondre à {product}.|"
        "Qui pourrait {deed} pendant que {name} est à {place} ?|"
        "L'offre de {product} est {mood} et coûte {number} écus.|"
        "Ma proposition : d'abord {thing}, ensuite {thing}, et le reste après {day}.|"
        "À {place}, personne ne savait qui devait {deed}.|"
        "Si cela reste {mood}, j'appellerai {name} une dernière fois."
    ),
    _split(
        "facture|livraison|grue du port|salle de réunion|budget|traduction|plan d'étage|prototype|garantie|horaire|"
        "échantillon|contrat|catalogue|enquête|clé de secours|serre|manuel|relevé"
    ),
    _split("Nantes|l'atelier|Liège|l'entrepôt|Lausanne|la réserve|Québec"),
    _split("lundi|mardi|mercredi|jeudi|vendredi|la fin mars|la semaine prochaine"),
    _split(
        "vérifier les chiffres|appeler le fournisseur|repeindre l'enseigne|renouveler le contrat|compter ce qui reste|"
        "dessiner un nouveau plan|mesurer la salle|rédiger le compte rendu"
    ),
    _split("en retard|en ordre|trop lourd|moins cher que l'an dernier|à moitié terminé|presque prêt"),
)
SPANISH = Phrases(
    " ",
    _split("Hola {first}:|Buenos días:|Estimados compañeros:|Hola a todos:"),
    _split("Un saludo, {first}|Muchas gracias, {first}|Hasta mañana, {first}"),
    "Expediente {number}.",
    _split("Me parece bien.|Gracias, ayuda mucho.|De acuerdo.|Yo me encargo.|Ya está hecho, revisadlo por favor."),
    _split("{thing} para {place}|Pregunta sobre {thing}|{product}: {thing}|Resumen de {day}|Plan de {thing}"),
    _split(
        "Según {name}, el asunto de {thing} está {mood}.|"
        "Tenemos que {deed} antes de {day}, o en {place} habrá problemas.|"
        "Contamos {small} cajas y todavía falta {thing}.|"
        "Prefiero {deed} antes de contestar a {product}.|"
        "¿Quién puede {deed} mientras {name} está en {place}?|"
        "La oferta de {product} parece {mood} y cuesta {number} ducados.|"
        "Mi propuesta: primero {thing}, luego {thing}, y lo demás después de {day}.|"
        "En {place} nadie sabía quién iba a {deed}.|"
        "Si todo sigue {mood}, llamaré a {name} otra vez."
    ),
    _split(
        "factura|entrega|grúa del puerto|sala de reuniones|presupuesto|traducción|plano|prototipo|garantía|horario|"
        "muestra|contrato|catálogo|encuesta|llave de repuesto|invernadero|manual|informe"
    ),
    _split("Vigo|el taller|Cádiz|el almacén|Montevideo|la imprenta|Bogotá"),
    _split("el lunes|el martes|el miércoles|el jueves|el viernes|finales de marzo|la semana próxima"),
    _split(
        "revisar las cifras|llamar al proveedor|pintar el rótulo|renovar el contrato|contar lo que queda|"
        "dibujar otro plano|medir la nave|escribir el acta"
    ),
    _split("con retraso|en orden|demasiado caro|más barato que antes|a medias|casi listo"),
)
RUSSIAN = Phrases(
    " ",
    _split("Добрый день, {first}!|Коллеги, здравствуйте!|Доброе утро!"),
    _split("С уважением, {first}|Спасибо, {first}|До завтра, {first}"),
    "Заявка {number}.",
    _split("Мне подходит.|Спасибо, это очень помогло.|Согласен.|Я этим займусь.|Готово, проверьте, пожалуйста."),
    _split("{thing} для {place}|Вопрос: {thing}|{product}: {thing}|Итоги за {day}|План: {thing}"),
    _split(
        "По словам {name}, {thing} пока {mood}.|"
        "Нужно {deed} до срока, иначе {place} нас не поймёт.|"
        "Мы насчитали {small} ящиков, и снова не хватает: {thing}.|"
        "Я бы предпочёл {deed}, прежде чем отвечать {product}.|"
        "Кто сможет {deed}, пока {name} в отъезде?|"
        "Предложение {product} выглядит так: {mood}, цена {number}.|"
        "Моё предложение: сначала {thing}, потом {thing}, остальное через неделю.|"
        "Если всё останется {mood}, я позвоню ещё раз."
    ),
    _split(
        "счёт|поставка|портовый кран|зал собраний|бюджет|перевод|чертёж|образец|договор|каталог|опрос|теплица|отчёт"
    ),
    _split("склад|мастерская|Казань|третий этаж|Рига|типография|Тверь"),
    _split("понедельник|вторник|среда|четверг|пятница|конец марта"),
    _split(
        "проверить цифры|позвонить поставщику|покрасить вывеску|продлить договор|посчитать остаток|"
        "начертить новый план|измерить зал|написать протокол"
    ),
    _split("с опозданием|в порядке|слишком дорого|дешевле, чем раньше|наполовину готово|почти готово"),
)
JAPANESE = Phrases(
    "",
    _split("{first}さん、|皆さん、おはようございます。|お疲れさまです。"),
    _split("よろしくお願いします。{first}|ありがとうございます。{first}|それではまた明日。{first}"),
    "受付番号 {number} です。",
    _split(
        "了解しました。|助かります、ありがとうございます。|賛成です。|こちらで確認します。|完了しました、確認をお願いします。"
    ),
    _split("{place}の{thing}について|{thing}の質問|{product}の{thing}|{day}のまとめ|{thing}の計画"),
    _split(
        "{name}によると、{thing}は{mood}そうです。|"
        "{day}までに{deed}必要があります。|"
        "箱は{small}個ありましたが、{thing}が見つかりません。|"
        "{product}に返事をする前に{deed}ほうがいいと思います。|"
        "{place}では誰が{deed}のか決まっていません。|"
        "{product}の見積もりは{mood}ようで、金額は{number}です。|"
        "まず{thing}、次に{thing}、残りは{day}の後にしましょう。|"
        "このまま{mood}なら、もう一度{name}に電話します。"
    ),
    _split(
        "請求書|納品|港のクレーン|会議室|予算|翻訳|見取り図|試作品|保証書|時刻表|契約書|目録|調査票|合鍵|温室|手引き"
    ),
    _split("名古屋|作業場|函館|下の倉庫|三階|印刷室|松山"),
    _split("月曜日|火曜日|水曜日|木曜日|金曜日|三月末|来週"),
    _split("数字を確かめる|業者に電話する|看板を塗り直す|契約を更新する|残りを数える|図面を描き直す|議事録を書く"),
    _split("遅れている|問題ない|重すぎる|去年より安い|半分終わった|ほぼ出来上がった"),
)

# With how often each is spoken, in hundredths.
LANGUAGES = ((ENGLISH, 46), (GERMAN, 14), (FRENCH, 12), (SPANISH, 12), (JAPANESE, 9), (RUSSIAN, 7))

FIRST_NAMES = _split(
    "Ada|Bruno|Chiara|Daniel|Elif|Farid|Greta|Hanna|Ivo|Jana|Kenji|Leila|Marek|Nadia|Oskar|Paula|Quentin|Rosa|Samir|"
    "Tilda|Ursula|Viktor|Wanda|Xenia|Yusuf|Zora|Anouk|Béla|Çağla|Dunja|Émile|Frøya|Goran|Haruka|Inés|Jørgen|Katja|Łucja"
)
LAST_NAMES = _split(
    "Adler|Bianchi|Castro|Dubois|Eriksen|Falk|Garcia|Haas|Ivanova|Jansen|Kowalski|Lindqvist|Moreau|Novak|Okafor|Pereira|"
    "Quist|Rossi|Sato|Tanaka|Ulrich|Vargas|Weiss|Yilmaz|Zimmer|Núñez|Bjørk|Çelik|Dvořák|Fässler|Grünwald|Håland"
)
SYLLABLES = _split("ka|lo|ven|tri|mar|so|ne|dal|qui|ro|ber|sta|wi|fen|gor|lu|pas|mi|tor|ze|han|ol|ru|bel")
GROUP_NAMES = (
    _split("Harbour|Orchard|Northern|Evening|Research|Museum|Bridge|Printing|Garden|Railway|Library|Kitchen|Theatre"),
    _split("Planning|Circle|Office|Volunteers|Desk|Workshop|Council|Crew|Archive|Support|Projects|Exchange"),
)
FILES = _split("figures.csv|minutes.txt|list.csv|notes.txt|measurements.csv|readme.txt")
