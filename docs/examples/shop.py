"""A shop beside the rooms: `python run.py --app docs.examples.shop:setup`.

An order comes over HTTP and is seen in its customer's room; what people write is looked at; a counter goes round.
"""

from flask import request

from rt_service.core.errors import Forbidden


def setup(rt):
    orders = []

    @rt.app.post("/orders")
    def order():
        body = request.get_json()
        orders.append(body["item"])
        return rt.api.publish("/chat", f"customer:{body['customer']}", "ordered", {"item": body["item"]}), 201

    @rt.on("/chat", "say")
    def polite(said):
        text = said.data.get("text", "")
        if "spam" in text:
            raise Forbidden("no spam, please")
        said.data = {**said.data, "text": text.replace("darn", "d***")}

    @rt.every(1.0)
    def count():
        rt.api.publish("/chat", "shop", "orders", {"count": len(orders)}, class_="latest")
